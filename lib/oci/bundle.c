/* From config.json to what a restore needs to know before anything is made. See bundle.h. */
#include "oci/bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/confine.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "policy/plan.h"

void bundle_free(struct bundle *bundle)
{
	oci_config_free(bundle->config);
	bound_free(bundle->bound);
	filter_free(&bundle->filter);
	free(bundle->dir);
	free(bundle->rootfs);
	*bundle = BUNDLE_NONE;
}

/* ---- what is not supported ---- */

static int check_namespaces(const struct oci_config *config, struct err *err)
{
	for (size_t i = 0; i < config->namespace_count; i++) {
		if (config->namespaces[i].path)
			return err_set(err, ERR_REFUSED, "the %s namespace of %s cannot be joined",
				       config->namespaces[i].type, config->namespaces[i].path);
	}
	return 0;
}

static int check_mounts(const struct oci_config *config, struct err *err)
{
	static const char *const types[] = { "bind",	"proc",	  "sysfs",  "tmpfs",
					     "devpts",	"mqueue", "cgroup", "cgroup2",
					     "overlay", "none",	  "",	    NULL };

	for (size_t i = 0; i < config->mount_count; i++) {
		const struct oci_mount *mount = &config->mounts[i];
		struct mount_wish wish = { .data = NULL };
		size_t n = 0;
		int r = mount_wish_read(mount, &wish, err);
		bool is_bind = wish.is_bind;

		mount_wish_free(&wish);
		if (r < 0)
			return err_wrap(err, "mount %s", mount->point);
		while (types[n] && mount->type && strcmp(types[n], mount->type) != 0)
			n++;
		if (!is_bind &&
		    (!mount->type || !types[n] || !*types[n] || strcmp(mount->type, "none") == 0))
			return err_set(err, ERR_REFUSED, "mount %s: type %s is not supported",
				       mount->point, mount->type ? mount->type : "none");
		if (is_bind && !mount->source)
			return err_set(err, ERR_REFUSED, "mount %s: it has no source",
				       mount->point);
		if (mount->has_own_ids)
			return err_set(err, ERR_REFUSED,
				       "mount %s: ids of its own are not supported", mount->point);
	}
	return 0;
}

/* Those of which each container has its own. */
static bool is_own_sysctl(const char *name)
{
	static const char *const known[] = {
		"net.",	      "fs.mqueue.",	 "kernel.msg",	     "kernel.shm",
		"kernel.sem", "kernel.hostname", "kernel.domainname"
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(name, known[i], strlen(known[i])) == 0)
			return !strchr(name, '/') && !strstr(name, "..");
	}
	return false;
}

static int check_config(const struct oci_config *config, struct err *err)
{
	const char *propagation = config->propagation ? config->propagation : "";
	int r = 0;

	if (!config->rootfs)
		return err_set(err, ERR_USAGE, "root is missing");
	if (*propagation && !strstr(propagation, "private") && !strstr(propagation, "slave"))
		return err_set(err, ERR_REFUSED, "rootfsPropagation %s is not supported",
			       propagation);
	for (size_t i = 0; i < config->sysctls.count; i++) {
		if (!is_own_sysctl(config->sysctls.list[i].key))
			return err_set(err, ERR_REFUSED,
				       "sysctl %s is the host's: no container has its own",
				       config->sysctls.list[i].key);
	}
	r = check_namespaces(config, err);
	return r < 0 ? r : check_mounts(config, err);
}

/* ---- where something is mounted ---- */

char *bundle_resolve(int root, const char *rootfs, const char *point)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	auto_free char *part = mem_string(point);

	for (size_t length = strlen(point); length > 1; length--) {
		auto_free char *self = NULL;
		auto_free char *found = NULL;
		auto_close int fd = -1;
		struct err ignored;

		if (point[length] != '/' && point[length] != '\0')
			continue;
		part[length] = '\0';
		fd = sys_openat2(root, part, &how);
		if (fd < 0)
			continue;
		self = mem_printf("/proc/self/fd/%d", fd);
		if (procfs_readlink(AT_FDCWD, self, &found, &ignored) < 0 ||
		    strncmp(found, rootfs, strlen(rootfs)) != 0)
			break;
		return mem_printf("%s%s", found + (rootfs[1] ? strlen(rootfs) : 0), point + length);
	}
	return mem_string(point);
}

struct pointing {
	struct bound *bound;
	const char *rootfs;
	int root;
};

static void add_point(const struct pointing *pointing, const char *point, enum bound_sort sort,
		      bool is_whole)
{
	auto_free char *path = bundle_resolve(pointing->root, pointing->rootfs, point);

	bound_add_point(pointing->bound, path, sort, is_whole);
}

static bool has_option(const struct oci_mount *mount, const char *option)
{
	for (size_t i = 0; i < mount->options.count; i++) {
		if (strcmp(mount->options.list[i], option) == 0)
			return true;
	}
	return false;
}

/* Of a directory of the host, what is mounted in it may come along; a cgroup file system of version
 * 1 has one for each controller. */
static void add_mount(const struct pointing *pointing, const struct oci_mount *mount)
{
	const char *type = mount->type ? mount->type : "";
	enum bound_sort sort = strcmp(type, "tmpfs") == 0 ? BOUND_TMPFS : BOUND_OTHER;

	if (strcmp(type, "bind") == 0 || has_option(mount, "bind") || has_option(mount, "rbind"))
		sort = BOUND_BIND;
	add_point(pointing, mount->point, sort,
		  has_option(mount, "rbind") || strncmp(type, "cgroup", 6) == 0);
}

static void add_nodes(const struct pointing *pointing, const struct oci_texts *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		add_point(pointing, paths->list[i], BOUND_OTHER, false);
}

static void add_points(const struct pointing *pointing, const struct oci_config *config)
{
	add_point(pointing, "/", BOUND_OTHER, false);
	for (size_t i = 0; i < config->mount_count; i++)
		add_mount(pointing, &config->mounts[i]);
	for (size_t i = 0; bundle_nodes[i]; i++) {
		auto_free char *path = mem_printf("/dev/%s", bundle_nodes[i]);

		add_point(pointing, path, BOUND_OTHER, false);
	}
	for (size_t i = 0; i < config->device_count; i++)
		add_point(pointing, config->devices[i].path, BOUND_OTHER, false);
	add_nodes(pointing, &config->masked);
	add_nodes(pointing, &config->read_only);
	if (config->has_terminal)
		add_point(pointing, "/dev/console", BOUND_OTHER, false);
}

/* ---- the bound ---- */

static struct id_map *make_map(const struct oci_maps *maps)
{
	struct id_map *lines = mem_alloc(maps->count + 1, sizeof(*lines));

	for (size_t i = 0; i < maps->count; i++)
		lines[i] = (struct id_map){ maps->list[i].inside, maps->list[i].outside,
					    maps->list[i].count };
	return lines;
}

static struct bound *make_bound(const struct bundle *bundle)
{
	const struct oci_config *config = bundle->config;
	struct bound *bound = mem_alloc(1, sizeof(*bound));
	auto_close int root = open(bundle->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct pointing pointing = { bound, bundle->rootfs, root };

	bound->uids = make_map(&config->uid_map);
	bound->uid_count = config->uid_map.count;
	bound->gids = make_map(&config->gid_map);
	bound->gid_count = config->gid_map.count;
	bound->user = config->uid;
	bound->group = config->gid;
	bound->group_count = config->groups.count;
	if (bound->group_count > 0)
		bound->groups =
		    mem_copy(config->groups.list, bound->group_count * sizeof(*bound->groups));
	memcpy(bound->caps, config->caps, sizeof(bound->caps));
	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		bound->limits[i] =
		    (struct bound_limit){ config->limits[i].is_given, config->limits[i].soft,
					  config->limits[i].hard };
	bound->no_new_privs = config->no_new_privs;
	bound->has_oom_score_adj = config->has_oom_score_adj;
	bound->oom_score_adj = config->oom_score_adj;
	bound->has_filter = bundle->filter.code != NULL;
	bound->hostname = config->hostname ? mem_string(config->hostname) : NULL;
	bound->domainname = config->domainname ? mem_string(config->domainname) : NULL;
	add_points(&pointing, config);
	return bound;
}

/* ---- the whole ---- */

static int find_rootfs(struct bundle *bundle, struct err *err)
{
	const char *rootfs = bundle->config->rootfs;
	auto_free char *path =
	    rootfs[0] == '/' ? mem_string(rootfs) : mem_printf("%s/%s", bundle->dir, rootfs);

	bundle->rootfs = realpath(path, NULL);
	return bundle->rootfs ? 0 : err_set(err, -errno, "root file system %s", path);
}

static int compile_filter(struct bundle *bundle, struct err *err)
{
	const char *text = bundle->config->seccomp;
	int r = text ? confine_compile(text, strlen(text), &bundle->filter, err) : 0;

	return r < 0 ? err_wrap(err, "seccomp") : 0;
}

int bundle_open(const char *dir, struct bundle *ret_bundle, struct err *err)
{
	auto_with(bundle_free) struct bundle bundle = BUNDLE_NONE;
	int r;

	bundle.dir = realpath(dir, NULL);
	if (!bundle.dir)
		return err_set(err, -errno, "bundle %s", dir);
	r = oci_config_read(bundle.dir, &bundle.config, err);
	if (r < 0)
		return r;
	r = check_config(bundle.config, err);
	if (r == 0)
		r = find_rootfs(&bundle, err);
	if (r == 0)
		r = compile_filter(&bundle, err);
	if (r < 0)
		return err_wrap(err, "bundle %s", dir);
	bundle.bound = make_bound(&bundle);
	*ret_bundle = bundle;
	bundle = BUNDLE_NONE;
	return 0;
}
