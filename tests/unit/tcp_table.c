/* The parser of /proc/PID/net/tcp and tcp6. */
#include <netinet/tcp.h>
#include <stdlib.h>

#include "kind/support/tcp_table.h"
#include "unit.h"

static const char v4[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1389 0100007F:1388 04 002CC6F6:00000000 01:00000000 00000000     0        0 "
    "15033439 2 0000000077ce3099 20 0 0 11 -1\n"
    "   1: 0100007F:1388 0100007F:1389 01 00000000:002D242D 00:00000000 00000000     0        0 0 "
    "2 00000000a34053c6\n";
static const char v6[] =
    "   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000001000000:0001 0A "
    "00000000:00000003 00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0\n";

static struct inet_address_rec at(uint16_t port)
{
	return (struct inet_address_rec){ .family = le16_make(AF_INET),
					  .port = le16_make(port),
					  .address = { 127, 0, 0, 1 } };
}

static void test_fields(struct unit *unit)
{
	struct inet_address_rec addresses[2] = { at(5001), at(5000) };
	struct tcp_place from = tcp_place_of(&addresses[0]);
	struct tcp_place to = tcp_place_of(&addresses[1]);
	struct tcp_table table = TCP_TABLE_NONE;
	const struct tcp_line *line;

	tcp_table_parse(&table, v4);
	tcp_table_sort(&table);
	EXPECT(unit, table.count == 2);
	line = tcp_table_find(&table, 0, &from, &to);
	EXPECT(unit, line && line->state == TCP_FIN_WAIT1 && line->to_send == 0x2cc6f6);
	EXPECT(unit, line && line->inode == 15033439 && line->to_receive == 0);
	line = tcp_table_find(&table, 0, &to, &from);
	EXPECT(unit, line && line->state == TCP_ESTABLISHED && line->to_receive == 0x2d242d);
	EXPECT(unit, line && line->inode == 0);
	EXPECT(unit, !tcp_table_find(&table, 0, &to, &to));
	free(table.lines);
}

static void test_six(struct unit *unit)
{
	struct inet_address_rec address = at(8080);
	struct tcp_place place = tcp_place_of(&address);
	struct tcp_table table = TCP_TABLE_NONE;

	tcp_table_parse(&table, v6);
	EXPECT(unit, table.count == 1);
	EXPECT(unit, table.count == 1 && tcp_place_is_same(&table.lines[0].local, &place));
	EXPECT(unit, table.count == 1 && table.lines[0].peer.address[15] == 1);
	EXPECT(unit, table.count == 1 && table.lines[0].state == TCP_LISTEN);
	free(table.lines);
}

static void test_rubbish(struct unit *unit)
{
	static const char *const texts[] = { "", "\n\n",
					     "0:", "   0: 01:02 03:04 05 06:07 08:09 10 11 12 13\n",
					     "   0: 0100007F:1389\n" };
	struct tcp_table table = TCP_TABLE_NONE;
	struct tcp_place place = { .port = 1 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		tcp_table_parse(&table, texts[i]);
	tcp_table_sort(&table);
	EXPECT(unit, table.count == 0);
	EXPECT(unit, !tcp_table_find(&table, 0, &place, &place));
	free(table.lines);
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_fields),
	UNIT_CASE(test_six),
	UNIT_CASE(test_rubbish),
};

int main(void)
{
	return UNIT_RUN(cases);
}
