/* ns_net: a network namespace with nothing but its loopback, which is up after a restore. */
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"

extern const struct kind kind_ns_net;

/* Names of interfaces hold neither ':' nor white space, dev_valid_name() in net/core/dev.c. */
static void check_interfaces(struct dump *d, const char *text)
{
	const char *line = text;

	for (int number = 0; line && *line; number++) {
		const char *name = line + strspn(line, " ");
		size_t length = strcspn(name, ":\n");

		if (number >= 2 && !(length == 2 && memcmp(name, "lo", 2) == 0))
			(void)dump_block(d, NULL, "network interface %.*s is not supported",
					 (int)length, name);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
}

static int ns_net_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r;

	/* A tree's network is not its own: it gets a fresh one. */
	if (!d->ns && d->own->target->form == TARGET_TREE)
		return 0;
	r = procfs_read(dump_ns_task(d)->proc, "net/dev", &text, err);
	if (r < 0)
		return r;
	check_interfaces(d, text.data);
	dump_record(d, dump_ns_id(d), &kind_ns_net, NULL, 0);
	return 0;
}

static int ns_net_check(const void *body, size_t length, struct err *err)
{
	(void)body;
	return length == 0 ? 0 : err_set(err, ERR_DAMAGED, "ns_net: %zu bytes", length);
}

const struct kind kind_ns_net = {
	.name = "ns_net",
	.summary = "a network namespace with a loopback interface",
	.tag = TAG('N', 'N', 'E', 'T'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.namespace = NAMESPACE_NET,
	.dump = ns_net_dump,
	.check = ns_net_check,
};
