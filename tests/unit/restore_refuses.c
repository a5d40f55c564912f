/* What a restore refuses of an image that its reader has taken, before any task of the container
 * is there, and what no image leads to. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "ctckpt/ctckpt.h"
#include "hostile.h"
#include "policy/plan_private.h"
#include "restore/join.h"
#include "restore/restore.h"
#include "unit.h"

static struct image *load(struct unit *unit, const char *name, const char *edits)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_buf struct buf data = BUF_EMPTY;
	struct image *image = NULL;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, hostile_load(name, &edited) && edited_apply_all(&edited, edits)))
		return NULL;
	edited_make(&edited, &data);
	(void)image_parse(data.data, data.size, &image_default_limits, &image, &err);
	EXPECT_TEXT(unit, err.text, "");
	return image;
}

/* ---- the list of tasks, and room for our work ---- */

struct lie {
	const char *name, *edits, *words;
};

static void prepare(struct unit *unit, const struct lie *lie)
{
	auto_image struct image *image = load(unit, lie->name, lie->edits);
	struct restore rs = { .own = NULL };
	struct err err = ERR_NONE;

	if (!image)
		return;
	if (restore_init(&rs, image, NULL, &err) == 0)
		(void)restore_find_hole(&rs, &err);
	EXPECT_TEXT(unit, err.text, lie->words);
	restore_free(&rs);
}

/* Of its one process nothing is left; its memory has become an object that nobody maps. */
static const char deserted[] =
    "KEYS.0- TASK.0- REGS.0- CORE.0- FDTB.0- OOMA.0- SIGA.0- SCHD.0- CRED.0- RLIM.0- TATT.0- "
    "PRCT.0- CONF.0- MMAP.0- MAPF.0@3 MAPF.0~120 MAPF.0+0:4=5 MAPF.0+12:4=0 "
    "MAPF.0+16:8=140737488351232";

/* A zombie would be the first task of pid namespace 49, as its child says where it is. */
static const char dead_init[] =
    "NSPC.2* NSPC.3@49 NSPC.3+4:4=42 NSPC.3+8:4=43 NSPX.9+8:4=49 NSPX.9+36:4=49 NSPX.9+44:4=2 "
    "NSPX.9<48:12 NSPX.9+64:4=11 NSPX.9+68:4=1";

static void lists(struct unit *unit)
{
	static const struct lie lies[] = {
		{ "nsproxy-2.zst", "", "" },
		{ "nsproxy-2.zst", dead_init, "pid namespace 49 has no init" },
		/* The parent of its first task is two levels above. */
		{ "nsproxy-2.zst", "TASK.12+4:4=20", "pid namespace 48 has no init" },
		{ "keyring-2.zst", deserted, "the first task of the image is not its init" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		prepare(unit, &lies[i]);
}

static void holes(struct unit *unit)
{
	static const struct lie lies[] = {
		{ "compat-4.zst", "", "" },
		/* More than there are addresses; more than are left between all mappings. */
		{ "opath-1.zst",
		  "MAPF.0* MAPF.1@999 MAPF.1~120 MAPF.1+0:4=5 MAPF.1+12:4=0 "
		  "MAPF.1+16:8=140737488351232",
		  "no free range of 140737524002816 bytes is common to all address spaces" },
		{ "compat-4.zst",
		  "MAPF.0* MAPF.1@999 MAPF.1~120 MAPF.1+0:4=5 MAPF.1+12:4=0 MAPF.1+16:8=4026531840",
		  "no free range of 4062183424 bytes is common to all address spaces" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		prepare(unit, &lies[i]);
}

/* ---- in the middle ---- */

/* A restore of that image as far as it needs no task. */
static struct image *begin(struct unit *unit, const char *name, const char *edits,
			   struct restore *rs)
{
	struct image *image = load(unit, name, edits);
	struct err err = ERR_NONE;

	*rs = (struct restore){ .own = NULL };
	if (image)
		EXPECT(unit, restore_init(rs, image, NULL, &err) == 0);
	return image;
}

static void siblings(struct unit *unit)
{
	struct restore rs;
	auto_image struct image *image = begin(unit, "nsproxy-2.zst", "", &rs);
	struct restore_place outside = { .ids = { 0 } };
	struct remote nobody = { .tid = 0 };
	struct remote child;
	struct err err = ERR_NONE;
	struct restore_task *task;

	if (!image)
		return;
	task = restore_task_by_id(&rs, 36); /* the first of its pid namespace */
	EXPECT(unit, restore_birth(&rs, &nobody, &outside, CLONE_PARENT, task, &child, &err) ==
			 ERR_REFUSED);
	EXPECT_TEXT(unit, err.text,
		    "task 15: it shares something with a sibling in another pid namespace");
	restore_free(&rs);
}

static void content_for_nothing(struct unit *unit)
{
	struct restore rs;
	auto_image struct image *image = begin(unit, "memfd-2.zst", "", &rs);
	struct err err = ERR_NONE;

	if (!image)
		return;
	/* Its first is a memfd's, which was not made. */
	EXPECT(unit, restore_fill_content(&rs, NULL, NULL, NULL, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "content of object 5, which has none");
	restore_free(&rs);
}

/* The reader sees to it that there are as many pages as are meant. */
static void too_few_pages(struct unit *unit)
{
	struct restore rs;
	auto_image struct image *image = begin(unit, "keyring-2.zst", "", &rs);
	struct err err = ERR_NONE;

	if (!image)
		return;
	image->pages_size = 0;
	EXPECT(unit, restore_fill_content(&rs, NULL, NULL, NULL, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the image is cut within its pages");
	restore_free(&rs);
}

static void paths(struct unit *unit)
{
	struct restore rs;
	auto_image struct image *image = begin(unit, "memfd-2.zst", "", &rs);
	auto_close int dir = open("/", O_PATH | O_DIRECTORY);
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY);
	auto_close int unnamed = -1;
	struct err err = ERR_NONE;
	struct stat stat;
	int fd = -1;

	if (!image)
		return;
	rs.own->root = (struct restore_root){ dir, proc };
	EXPECT(unit, restore_open_path(&rs, "/proc/1/status", S_IFREG, &fd, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "open /proc/1/status: it is a file of a process");
	EXPECT(unit, restore_unnamed(&rs, "nowhere", 0600, 3, &unnamed, &err) == 0);
	EXPECT(unit, fstat(unnamed, &stat) == 0 && stat.st_size == 3);
	EXPECT_TEXT(unit, rs.own->shared->notes,
		    "deleted file nowhere is kept in memory: Invalid argument\n");
	restore_free(&rs);
}

/* The cgroup that the plan was made for is gone. */
static void limits(struct unit *unit)
{
	struct restore rs;
	auto_image struct image *image = begin(unit, "cgroup-8.zst", "", &rs);
	struct host_facts facts = HOST_FACTS_NONE;
	const struct cgroup_own none = CGROUP_OWN_NONE;
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (!image || !EXPECT(unit, policy_preset("strict", &policy, &err) == 0))
		return;
	rs.plan = plan_new(image, policy, &facts);
	EXPECT(unit, restore_place_in_cgroups(&rs, &none, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "the container's limits need a cgroup (v2) of its own");
	plan_free((struct plan *)(uintptr_t)rs.plan);
	restore_free(&rs);
}

/* ---- in an engine's container ---- */

static void expect_no_join(struct unit *unit, const char *name, const char *edits,
			   const char *words)
{
	/* This process has the host's namespaces. */
	const struct ctckpt_join join = { .pid = getpid() };
	struct restore rs;
	auto_image struct image *image = begin(unit, name, edits, &rs);
	struct err err = ERR_NONE;

	if (!image)
		return;
	(void)join_check(&rs, &join, &err);
	EXPECT_TEXT(unit, err.text, words);
	restore_free(&rs);
}

static void joins(struct unit *unit)
{
	expect_no_join(unit, "netns-1.zst", "",
		       "a net namespace of single tasks is not supported in a container of "
		       "another engine");
	expect_no_join(unit, "namespace-8.zst", "",
		       "a mnt namespace of single tasks is not supported in a container of "
		       "another engine");
	expect_no_join(unit, "sysv_shm-5.zst", "NIPC.0-",
		       "kind sysv_shm: the container has no ipc namespace of its own");
	expect_no_join(unit, "pipe-1.zst", "NIPC.0-", "");
}

static void consoles(struct unit *unit)
{
	auto_image struct image *image =
	    load(unit, "terminal-2.zst", "TERM.10+4:4=32"); /* TERMINAL_OUTSIDE */
	const struct ctckpt_join join = { .pid = getpid() };
	const struct ctckpt_restore_options options = { .join = &join, .detach = true };
	struct err err = ERR_NONE;
	int socket = -1;

	if (!image)
		return;
	EXPECT(unit, restore_prepare_console(image, &options, &socket, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text,
		    "the saved container had a terminal of its own, which is not supported in one "
		    "of another engine");
}

/* ---- choices ---- */

static void expect_no_plan(struct unit *unit, const struct ctckpt_plan_options *options, int code,
			   const char *words)
{
	auto_image struct image *image = NULL;
	struct plan *plan = NULL;
	struct err err = ERR_NONE;
	int r = ctckpt_plan(options, &image, &plan, &err);

	EXPECT_TEXT(unit, err.text, words);
	EXPECT(unit, r == code);
	if (plan)
		plan_free(plan);
}

static void roots(struct unit *unit)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_buf struct buf data = BUF_EMPTY;
	auto_close int fd = memfd_create("image", MFD_CLOEXEC);
	const char *const volumes[] = { "/tmp:/data", NULL };

	if (!EXPECT(unit, hostile_load("file_system-1.zst", &edited)))
		return;
	edited_make(&edited, &data);
	(void)buf_append(&data, NULL, 1 << 16); /* pages */
	EXPECT(unit, write(fd, data.data, data.size) == (ssize_t)data.size &&
			 lseek(fd, 0, SEEK_SET) == 0);
	expect_no_plan(unit, &(struct ctckpt_plan_options){ .image = "-", .fd = fd }, ERR_REFUSED,
		       "the container had a root file system of its own");
	expect_no_plan(unit,
		       &(struct ctckpt_plan_options){
			   .image = "-", .fd = fd, .bundle = "/nowhere", .rootfs = "/" },
		       ERR_USAGE,
		       "--bundle names the root directory and all mounts: --rootfs does not go "
		       "with it");
	expect_no_plan(unit,
		       &(struct ctckpt_plan_options){
			   .image = "-", .fd = fd, .bundle = "/nowhere", .volumes = volumes },
		       ERR_USAGE,
		       "--bundle names the root directory and all mounts: --volume does not go "
		       "with it");
}

static const struct unit_case cases[] = {
	UNIT_CASE(lists),	  UNIT_CASE(holes),
	UNIT_CASE(siblings),	  UNIT_CASE(content_for_nothing),
	UNIT_CASE(too_few_pages), UNIT_CASE(paths),
	UNIT_CASE(limits),	  UNIT_CASE(joins),
	UNIT_CASE(consoles),	  UNIT_CASE(roots),
};

int main(void)
{
	return UNIT_RUN(cases);
}
