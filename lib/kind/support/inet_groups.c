/* Multicast groups. See inet_groups.h. */
#include "kind/support/inet_groups.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/files.h"

struct group {
	uint32_t index; /* of the interface */
	struct inet_group_rec rec;
};

struct groups {
	struct group *list; /* owned */
	size_t count;
};

static void add(struct groups *groups, const struct group *group)
{
	array_grow(groups->list, groups->count);
	groups->list[groups->count++] = *group;
}

/* Lines of an interface, "1\tlo : 1 V3", then of its groups, indented, in hexadecimal. */
static void parse_v4(struct groups *groups, const char *text)
{
	struct group group = { .index = 0 };

	for (const char *at = text; at && *at; at = strchr(at, '\n')) {
		uint32_t address;

		at += *at == '\n';
		if (*at >= '0' && *at <= '9') {
			memset(group.rec.interface, 0, sizeof(group.rec.interface));
			if (sscanf(at, "%u %15s", &group.index, group.rec.interface) != 2)
				group.index = 0;
		} else if (group.index != 0 && sscanf(at, " %8x ", &address) == 1) {
			group.rec.group = (struct inet_address_rec){ .family = le16_make(AF_INET) };
			memcpy(group.rec.group.address, &address, sizeof(address));
			add(groups, &group);
		}
	}
}

/* "1 lo ff020000000000000000000000000001 1 0000000C 0" */
static void parse_v6(struct groups *groups, const char *text)
{
	for (const char *at = text; at && *at; at = strchr(at, '\n')) {
		struct group group = { .rec.group.family = le16_make(AF_INET6) };
		char digits[33];

		at += *at == '\n';
		if (sscanf(at, "%u %15s %32[0-9a-f]", &group.index, group.rec.interface, digits) !=
			3 ||
		    strlen(digits) != 32)
			continue;
		for (size_t i = 0; i < 16; i++) {
			char byte[3] = { digits[2 * i], digits[2 * i + 1] };

			group.rec.group.address[i] = (unsigned char)strtoul(byte, NULL, 16);
		}
		add(groups, &group);
	}
}

static void read_groups(const struct dump *d, struct groups *groups)
{
	const struct dump_task *task = dump_net_task(d);
	auto_buf struct buf v4 = BUF_EMPTY;
	auto_buf struct buf v6 = BUF_EMPTY;
	struct err ignored;

	/* Either is missing where the kernel knows no multicast. */
	if (task && procfs_read(task->proc, "net/igmp", &v4, &ignored) == 0)
		parse_v4(groups, v4.data);
	if (task && procfs_read(task->proc, "net/igmp6", &v6, &ignored) == 0)
		parse_v6(groups, v6.data);
}

static int level_of(const struct inet_group_rec *rec)
{
	return le16_get(rec->group.family) == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

/* Fails for a socket that is no member. */
static bool ask(int fd, const struct group *group, struct group_filter *ret_filter)
{
	union inet_address address;
	socklen_t size = inet_address_load(&group->rec.group, &address);
	socklen_t length = GROUP_FILTER_SIZE(0);

	memset(ret_filter, 0, sizeof(*ret_filter));
	ret_filter->gf_interface = group->index;
	memcpy(&ret_filter->gf_group, &address, size);
	return getsockopt(fd, level_of(&group->rec), MCAST_MSFILTER, ret_filter, &length) == 0;
}

bool inet_groups_save(struct dump *d, struct buf *body, uint32_t *ret_count)
{
	struct groups groups = { .list = NULL };
	bool is_saved = true;

	*ret_count = 0;
	read_groups(d, &groups);
	for (size_t i = 0; i < groups.count; i++) {
		struct group_filter filter;

		if (!ask(d->fd->fd, &groups.list[i], &filter))
			continue;
		if (filter.gf_fmode != MCAST_EXCLUDE || filter.gf_numsrc != 0) {
			(void)dump_block(
			    d, NULL, "a multicast group with sources of its own is not supported");
			is_saved = false;
			continue;
		}
		(void)buf_append(body, &groups.list[i].rec, sizeof(groups.list[i].rec));
		(*ret_count)++;
	}
	free(groups.list);
	return is_saved;
}

static bool is_name(const char name[16])
{
	size_t length = strnlen(name, 16);

	for (size_t i = length; i < 16; i++) {
		if (name[i] != '\0')
			return false;
	}
	return length > 0 && length < 16;
}

int inet_groups_check(struct reader *reader, uint32_t count, struct err *err)
{
	if (count > INET_GROUPS_MAX)
		return err_set(err, ERR_DAMAGED, "socket: %u multicast groups", count);
	for (uint32_t i = 0; i < count; i++) {
		const struct inet_group_rec *rec = reader_take(reader, sizeof(*rec));

		if (!rec || inet_address_is_none(&rec->group) ||
		    !inet_address_is_valid(&rec->group, le16_get(rec->group.family)) ||
		    (le16_get(rec->group.family) != AF_INET &&
		     le16_get(rec->group.family) != AF_INET6) ||
		    !is_name(rec->interface))
			return err_set(err, ERR_DAMAGED, "socket: impossible multicast group");
	}
	return 0;
}

int inet_groups_restore(int fd, const struct inet_group_rec *groups, uint32_t count,
			struct err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		struct group_req request = { .gr_interface = if_nametoindex(groups[i].interface) };
		union inet_address address;
		socklen_t size = inet_address_load(&groups[i].group, &address);

		if (request.gr_interface == 0)
			return err_set(err, -errno, "join a multicast group on %s",
				       groups[i].interface);
		memcpy(&request.gr_group, &address, size);
		if (setsockopt(fd, level_of(&groups[i]), MCAST_JOIN_GROUP, &request,
			       sizeof(request)) < 0)
			return err_set(err, -errno, "join a multicast group on %s",
				       groups[i].interface);
	}
	return 0;
}
