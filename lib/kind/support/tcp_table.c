/* The TCP sockets of a network namespace. See tcp_table.h. */
#include "kind/support/tcp_table.h"

#include "dump/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/files.h"

static void map_address(unsigned char address[16], const unsigned char v4[4])
{
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	memcpy(address + 12, v4, 4);
}

/* Words of eight digits, each in the order of bytes of this machine. */
static bool parse_address(const char *text, unsigned char address[16])
{
	size_t length = strlen(text);
	uint32_t words[4];
	char digits[9] = "";

	if (length != 8 && length != 32)
		return false;
	for (size_t i = 0; i < length / 8; i++) {
		memcpy(digits, text + 8 * i, 8);
		words[i] = (uint32_t)strtoul(digits, NULL, 16);
	}
	if (length == 8)
		map_address(address, (const unsigned char *)words);
	else
		memcpy(address, words, 16);
	return true;
}

static bool parse_line(const char *text, struct tcp_line *line)
{
	char local[33];
	char peer[33];

	*line = (struct tcp_line){ .state = 0 };
	if (sscanf(text,
		   " %*u: %32[0-9A-F]:%" SCNx16 " %32[0-9A-F]:%" SCNx16 " %" SCNx32 " %" SCNx32
		   ":%" SCNx32 " %*x:%*x %*x %*u %*u %" SCNu64,
		   local, &line->local.port, peer, &line->peer.port, &line->state, &line->to_send,
		   &line->to_receive, &line->inode) != 8)
		return false;
	return parse_address(local, line->local.address) && parse_address(peer, line->peer.address);
}

void tcp_table_parse(struct tcp_table *table, const char *text)
{
	for (const char *at = text; at && *at; at = strchr(at, '\n')) {
		auto_free char *text_of_one = NULL;
		struct tcp_line line;

		at += *at == '\n';
		/* sscanf() measures all that it is given. */
		text_of_one = mem_copy(at, strcspn(at, "\n"));
		if (!parse_line(text_of_one, &line))
			continue;
		array_grow(table->lines, table->count);
		table->lines[table->count++] = line;
	}
}

static bool read_one(struct tcp_table *table, uint32_t netns, const struct dump_task *task,
		     const char *path)
{
	auto_buf struct buf text = BUF_EMPTY;
	size_t first = table->count;
	struct err ignored;

	if (!task || procfs_read(task->proc, path, &text, &ignored) < 0)
		return false;
	tcp_table_parse(table, text.data);
	for (size_t i = first; i < table->count; i++)
		table->lines[i].netns = netns;
	return true;
}

bool tcp_table_read(struct tcp_table *table, const struct dump *d, const char *path)
{
	struct dump own = { .own = d->own };
	bool is_there = read_one(table, 0, dump_net_task(&own), path);

	for (size_t i = 0; i < d->own->namespace_count; i++) {
		const struct dump_namespace *ns = &d->own->namespaces[i];

		if (ns->type == NAMESPACE_NET && ns->id)
			(void)read_one(table, ns->id, dump_task_of_network(ns), path);
	}
	return is_there;
}

static int compare_places(const struct tcp_place *a, const struct tcp_place *b)
{
	int r = memcmp(a->address, b->address, sizeof(a->address));

	return r != 0 ? r : (int)a->port - (int)b->port;
}

static int compare_lines(const void *left, const void *right)
{
	const struct tcp_line *a = left;
	const struct tcp_line *b = right;
	int r = a->netns == b->netns ? compare_places(&a->local, &b->local)
				     : (a->netns < b->netns ? -1 : 1);

	return r != 0 ? r : compare_places(&a->peer, &b->peer);
}

void tcp_table_sort(struct tcp_table *table)
{
	if (table->count > 0)
		qsort(table->lines, table->count, sizeof(*table->lines), compare_lines);
}

const struct tcp_line *tcp_table_find(const struct tcp_table *table, uint32_t netns,
				      const struct tcp_place *local, const struct tcp_place *peer)
{
	struct tcp_line key = { .netns = netns, .local = *local, .peer = *peer };

	if (table->count == 0)
		return NULL;
	return bsearch(&key, table->lines, table->count, sizeof(key), compare_lines);
}

/* If two other network namespaces have that same connection, nobody knows which is meant. */
const struct tcp_line *tcp_find_other(const struct dump *d, const struct tcp_table *table,
				      uint32_t netns, const struct tcp_place *local,
				      const struct tcp_place *peer)
{
	const struct tcp_line *found = tcp_table_find(table, netns, peer, local);

	if (found)
		return found;
	for (size_t i = 0; i <= d->own->namespace_count; i++) {
		uint32_t other = i == 0 ? 0 : d->own->namespaces[i - 1].id;
		const struct tcp_line *line;

		if (other == netns || (i > 0 && other == 0))
			continue;
		line = tcp_table_find(table, other, peer, local);
		if (line && found)
			return NULL;
		found = line ? line : found;
	}
	return found;
}

struct tcp_place tcp_place_of(const struct inet_address_rec *rec)
{
	struct tcp_place place = { .port = le16_get(rec->port) };

	if (le16_get(rec->family) == AF_INET)
		map_address(place.address, rec->address);
	else
		memcpy(place.address, rec->address, 16);
	return place;
}

bool tcp_place_is_same(const struct tcp_place *a, const struct tcp_place *b)
{
	return compare_places(a, b) == 0;
}
