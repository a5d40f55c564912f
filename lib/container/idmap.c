/* Which ids a container gets when its invoker is all that is known. */
#include "container/idmap.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/procfs.h"
#include "core/scan.h"

void idmap_free(struct idmap *map)
{
	free(map->uid);
	free(map->gid);
	*map = IDMAP_EMPTY;
}

/* CAP_SETFCAP: without it, the kernel lets nobody map its user 0. */
static bool may_map_all(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	const uint32_t wanted = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SETFCAP;

	return geteuid() == 0 && syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & wanted) == wanted;
}

static bool scan_field(const char **at, uint64_t *ret_value)
{
	scan_blanks(at);
	return scan_number(at, 10, UINT32_MAX, ret_value);
}

int idmap_parse_identity(const char *text, struct id_map **ret_map, size_t *ret_count,
			 struct err *err)
{
	struct id_map *map = NULL;
	size_t count = 0;
	uint64_t inside;
	uint64_t outside;
	uint64_t length;

	while (*text) {
		if (!scan_field(&text, &inside) || !scan_field(&text, &outside) ||
		    !scan_field(&text, &length) || !scan_char(&text, '\n')) {
			free(map);
			return err_set(err, -EPROTO, "id map: line %zu", count + 1);
		}
		array_grow(map, count);
		map[count++] =
		    (struct id_map){ (uint32_t)inside, (uint32_t)inside, (uint32_t)length };
	}
	*ret_map = map;
	*ret_count = count;
	return 0;
}

static int read_identity(const char *path, struct id_map **ret_map, size_t *ret_count,
			 struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r;

	r = procfs_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	return idmap_parse_identity(text.data ? text.data : "", ret_map, ret_count, err);
}

static struct id_map *single(uint32_t inside, uint32_t outside)
{
	struct id_map map = { .inside = inside, .outside = outside, .count = 1 };

	return mem_copy(&map, sizeof(map));
}

/* 0 onto `own`, and what comes after onto the ranges, one behind the other. */
static size_t with_ranges(uint32_t own, const struct id_range *ranges, size_t count,
			  struct id_map **ret_map)
{
	struct id_map *map = mem_alloc(count + 1, sizeof(*map));
	uint32_t inside = 1;

	map[0] = (struct id_map){ .inside = 0, .outside = own, .count = 1 };
	for (size_t i = 0; i < count; i++) {
		map[i + 1] = (struct id_map){ inside, ranges[i].first, ranges[i].count };
		inside += ranges[i].count;
	}
	*ret_map = map;
	return count + 1;
}

static int map_ranges(struct idmap *ret_map, struct err *err)
{
	struct host_facts facts = HOST_FACTS_NONE;
	int r = host_facts_get(&facts, err);

	if (r == 0 && (facts.uid_range_count == 0 || facts.gid_range_count == 0)) {
		(void)err_set(err, ERR_HOST, "the invoker has no subordinate ids");
		r = err_hint(err, "they are given in /etc/subuid and /etc/subgid, and used by "
				  "newuidmap (package uidmap)");
	}
	if (r == 0) {
		ret_map->uid_count =
		    with_ranges(facts.uid, facts.uid_ranges, facts.uid_range_count, &ret_map->uid);
		ret_map->gid_count =
		    with_ranges(facts.gid, facts.gid_ranges, facts.gid_range_count, &ret_map->gid);
	}
	host_facts_free(&facts);
	return r;
}

int idmap_choose(const char *userns, struct idmap *ret_map, struct err *err)
{
	auto_idmap struct idmap map = IDMAP_EMPTY;
	int r;

	if (userns && strcmp(userns, "auto") == 0)
		return map_ranges(ret_map, err);
	if (userns && strcmp(userns, "keep-id") != 0)
		return err_set(err, ERR_USAGE, "--userns %s: it is keep-id or auto", userns);
	if (userns) {
		map = (struct idmap){ single(geteuid(), geteuid()), 1, single(getegid(), getegid()),
				      1 };
	} else if (may_map_all()) {
		r = read_identity("/proc/self/uid_map", &map.uid, &map.uid_count, err);
		if (r == 0)
			r = read_identity("/proc/self/gid_map", &map.gid, &map.gid_count, err);
		if (r < 0)
			return r;
	} else {
		map = (struct idmap){ single(0, geteuid()), 1, single(0, getegid()), 1 };
	}
	*ret_map = map;
	map = IDMAP_EMPTY;
	return 0;
}
