/* Which ids a container gets when its invoker is all that is known. */
#include "container/idmap.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
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

static struct id_map *single(uint32_t outside)
{
	struct id_map map = { .inside = 0, .outside = outside, .count = 1 };

	return mem_copy(&map, sizeof(map));
}

int idmap_of_invoker(struct idmap *ret_map, struct err *err)
{
	auto_idmap struct idmap map = IDMAP_EMPTY;
	int r;

	if (may_map_all()) {
		r = read_identity("/proc/self/uid_map", &map.uid, &map.uid_count, err);
		if (r == 0)
			r = read_identity("/proc/self/gid_map", &map.gid, &map.gid_count, err);
		if (r < 0)
			return r;
	} else {
		map = (struct idmap){ single(geteuid()), 1, single(getegid()), 1 };
	}
	*ret_map = map;
	map = IDMAP_EMPTY;
	return 0;
}
