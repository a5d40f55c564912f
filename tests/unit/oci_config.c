/* config.json of OCI bundles: what is taken from it, and where an error is said to stand. */
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/config.h"
#include "unit.h"

static const char whole[] =
    "{\"ociVersion\": \"1.0.2\",\n"
    " \"process\": {\"terminal\": true, \"user\": {\"uid\": 7, \"gid\": 8, \"additionalGids\": [9, "
    "10]}, \"cwd\": \"/\",\n"
    "  \"args\": [\"sh\", \"-c\"], \"noNewPrivileges\": true,\n"
    "  \"capabilities\": {\"bounding\": [\"CAP_KILL\", \"CAP_OF_TOMORROW\"],\n"
    "   \"effective\": [\"CAP_NET_RAW\"]},\n"
    "  \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"soft\": 100, \"hard\": 200},\n"
    "   {\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": 18446744073709551615}]},\n"
    " \"root\": {\"path\": \"rootfs\", \"readonly\": true}, \"hostname\": \"h\",\n"
    " \"mounts\": [{\"destination\": \"//a/./b/\", \"type\": \"tmpfs\", \"source\": \"t\",\n"
    "   \"options\": [\"ro\", \"size=1k\"]}, {\"destination\": \"/c\", \"source\": \"9\"}],\n"
    " \"annotations\": {\"org.x\": \"9223372036854775808\"}, \"unknown\": [1, 2],\n"
    " \"hooks\": {\"poststop\": [{\"path\": \"/bin/true\", \"args\": [\"true\", \"1\"],\n"
    "   \"env\": [\"A=B\"], \"timeout\": 5}], \"prestart\": null},\n"
    " \"linux\": {\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\", \"path\": "
    "\"/n\"}],\n"
    "  \"uidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 1}],\n"
    "  \"devices\": [{\"path\": \"/dev/fuse\", \"type\": \"c\", \"major\": 10, \"minor\": 229}],\n"
    "  \"maskedPaths\": [\"/proc/kcore\"], \"readonlyPaths\": [\"/proc/sys\"],\n"
    "  \"sysctl\": {\"net.ipv4.ip_forward\": \"1\"}, \"rootfsPropagation\": \"rslave\",\n"
    "  \"resources\": {\"devices\": [{\"allow\": false}], \"memory\": {\"limit\": 5}},\n"
    "  \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\"}}}";

static int parse(const char *text, struct oci_config **ret_config, struct err *err)
{
	return oci_config_parse("c", text, strlen(text), ret_config, err);
}

static void everything(struct unit *unit)
{
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, parse(whole, &config, &err) == 0))
		return;
	EXPECT_TEXT(unit, config->version, "1.0.2");
	EXPECT_TEXT(unit, config->rootfs, "rootfs");
	EXPECT(unit, config->is_rootfs_read_only && config->has_terminal && config->no_new_privs);
	EXPECT_TEXT(unit, config->hostname, "h");
	EXPECT(unit, config->annotations.count == 1);
	EXPECT_TEXT(unit, config->annotations.list[0].key, "org.x");
	EXPECT_TEXT(unit, config->annotations.list[0].value, "9223372036854775808");
	EXPECT(unit, config->uid == 7 && config->gid == 8 && config->args.count == 2);
	EXPECT(unit, config->groups.count == 2 && config->groups.list[0] == 9 &&
			 config->groups.list[1] == 10);
	EXPECT(unit, config->has_limits);
	EXPECT_TEXT(unit, config->propagation, "rslave");
	EXPECT_TEXT(unit, config->seccomp, "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
}

static void process(struct unit *unit)
{
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, parse(whole, &config, &err) == 0))
		return;
	EXPECT(unit, config->caps[OCI_BOUNDING] == UINT64_C(1) << CAP_KILL);
	EXPECT(unit, config->caps[OCI_EFFECTIVE] == UINT64_C(1) << CAP_NET_RAW);
	EXPECT(unit, config->caps[OCI_AMBIENT] == 0);
	EXPECT(unit, config->limits[RLIMIT_NOFILE].soft == 100);
	EXPECT(unit, config->limits[RLIMIT_NOFILE].hard == 200);
	EXPECT(unit, config->limits[RLIMIT_CORE].hard == UINT64_MAX);
	EXPECT(unit, !config->limits[RLIMIT_STACK].is_given);
}

static void lists(struct unit *unit)
{
	auto_oci_config struct oci_config *config = NULL;
	const struct oci_hook *hook;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, parse(whole, &config, &err) == 0))
		return;
	EXPECT(unit, config->mount_count == 2 && config->namespace_count == 2);
	EXPECT_TEXT(unit, config->mounts[0].point, "/a/b");
	EXPECT_TEXT(unit, config->mounts[0].options.list[1], "size=1k");
	EXPECT(unit, !config->mounts[1].type && !config->mounts[1].options.list);
	EXPECT_TEXT(unit, config->namespaces[1].path, "/n");
	EXPECT(unit, config->uid_map.count == 1 && config->uid_map.list[0].outside == 1000);
	EXPECT(unit, config->devices[0].type == 'c' && config->devices[0].mode == 0666);
	EXPECT_TEXT(unit, config->masked.list[0], "/proc/kcore");
	EXPECT_TEXT(unit, config->read_only.list[0], "/proc/sys");
	EXPECT_TEXT(unit, config->sysctls.list[0].value, "1");
	EXPECT(unit, config->hooks[OCI_PRESTART].count == 0);
	hook = config->hooks[OCI_POSTSTOP].list;
	EXPECT_TEXT(unit, hook->path, "/bin/true");
	EXPECT_TEXT(unit, hook->env.list[0], "A=B");
	EXPECT(unit, hook->timeout == 5 && !hook->args.list[2]);
}

struct fault {
	const char *text;
	const char *error;
};

#define V "{\"ociVersion\": \"1.0\",\n "

static void faults(struct unit *unit)
{
	static const struct fault faults[] = {
		{ "", "c:1:1: unexpected token near end of file" },
		{ "[]", "c:1:1: it must be an object" },
		{ "{}", "c:1:1: ociVersion is missing" },
		{ "{\"ociVersion\": \"2.0\"}", "c:1:16: version 2.0 is not supported" },
		{ V "\"root\": {}}", "c:2:10: path is missing" },
		{ V "\"root\": {\"path\": 1}}", "c:2:19: it must be a string" },
		{ V "\"root\": {\"path\": \"a\", \"readonly\": 1}}",
		  "c:2:36: it must be true or false" },
		{ V "\"mounts\": {}}", "c:2:12: it must be an array" },
		{ V "\"mounts\": [{\"destination\": \"a\"}]}",
		  "c:2:29: it must be an absolute path without \"..\"" },
		{ V "\"mounts\": [{\"destination\": \"/a/../b\"}]}",
		  "c:2:29: it must be an absolute path without \"..\"" },
		{ V "\"annotations\": {\"a\": 1}}", "c:2:23: it must be a string" },
		{ V "\"hooks\": {\"poststart\": [{}]}}", "c:2:26: path is missing" },
		{ V "\"hooks\": {\"poststart\": [{\"path\": \"true\"}]}}",
		  "c:2:35: it must be an absolute path" },
		{ V "\"hooks\": {\"poststart\": [{\"path\": \"/t\", \"timeout\": 0}]}}",
		  "c:2:52: it must be from 1 to 86400" },
		{ V "\"process\": {}}", "c:2:13: cwd is missing" },
		{ V "\"process\": {\"cwd\": \"/\", \"oomScoreAdj\": 1001}}",
		  "c:2:41: it must be from -1000 to 1000" },
		{ V "\"process\": {\"cwd\": \"/\", \"capabilities\": {\"bounding\": [\"KILL\"]}}}",
		  "c:2:56: it is not the name of a capability" },
		{ V "\"process\": {\"cwd\": \"/\", \"rlimits\": [{\"type\": \"RLIMIT_X\", "
		    "\"soft\": 1, \"hard\": 1}]}}",
		  "c:2:38: RLIMIT_X is not a limit" },
		{ V "\"process\": {\"cwd\": \"/\", \"rlimits\": [{\"type\": \"RLIMIT_CPU\", "
		    "\"soft\": 2, \"hard\": 1}]}}",
		  "c:2:38: the soft limit is above the hard one" },
		{ V "\"process\": {\"cwd\": \"/\", \"rlimits\": [{\"type\": \"RLIMIT_CPU\", "
		    "\"soft\": 1, \"hard\": 99999999999999999999}]}}",
		  "c:2:80: it must be a whole number, and not below 0" },
		{ V "\"linux\": {\"namespaces\": [{\"type\": \"mnt\"}]}}",
		  "c:2:36: it can be pid, network, mount, ipc, uts, user, cgroup or time" },
		{ V "\"linux\": {\"namespaces\": [{\"type\": \"ipc\"}, {\"type\": \"ipc\"}]}}",
		  "c:2:53: ipc comes twice" },
		{ V "\"linux\": {\"uidMappings\": [{\"containerID\": 4294967295, \"hostID\": 0, "
		    "\"size\": 1}]}}",
		  "c:2:28: there are no such ids" },
		{ V "\"linux\": {\"devices\": [{\"path\": \"/d\", \"type\": \"x\"}]}}",
		  "c:2:47: it can be c, b, u or p" },
		{ V "\"linux\": {\"maskedPaths\": [\"proc\"]}}",
		  "c:2:28: it must be an absolute path without \"..\"" },
		{ V "\"linux\": {\"seccomp\": []}}", "c:2:23: it must be an object" },
		{ V "\"a\": 1,\n \"a\": 2}", "c:3:4: duplicate object key near '\"a\"'" },
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		auto_oci_config struct oci_config *config = NULL;
		struct err err = ERR_NONE;

		EXPECT(unit, parse(faults[i].text, &config, &err) == ERR_USAGE);
		EXPECT_TEXT(unit, err.text, faults[i].error);
	}
}

/* Every beginning of a config: an error, and nothing worse. */
static void beginnings(struct unit *unit)
{
	for (size_t size = 0; size + 1 < sizeof(whole) - 1; size++) {
		auto_oci_config struct oci_config *config = NULL;
		auto_free char *text = mem_copy(whole, size);
		struct err err = ERR_NONE;

		EXPECT(unit, oci_config_parse("c", text, size, &config, &err) == ERR_USAGE);
	}
}

/* Every byte in turn becomes another. */
static void damage(struct unit *unit)
{
	static const char bytes[] = "\"{}[]:,\\0-";

	for (size_t i = 0; i < (sizeof(whole) - 1) * (sizeof(bytes) - 1); i++) {
		auto_oci_config struct oci_config *config = NULL;
		auto_free char *text = mem_copy(whole, sizeof(whole) - 1);
		struct err err = ERR_NONE;
		int r;

		text[i / (sizeof(bytes) - 1)] = bytes[i % (sizeof(bytes) - 1)];
		r = oci_config_parse("c", text, sizeof(whole) - 1, &config, &err);
		EXPECT(unit, r == 0 || (r == ERR_USAGE && err.text[0]));
	}
}

static void in_directory(struct unit *unit, mode_t mode, const char *wanted)
{
	char dir[] = "/tmp/oci_config.XXXXXX";
	auto_free char *path = mkdtemp(dir) ? mem_printf("%s/config.json", dir) : NULL;
	auto_free char *error = mem_printf("%s: %s", path, wanted ? wanted : "");
	auto_oci_config struct oci_config *config = NULL;
	auto_fclose FILE *file = fopen(path, "w");
	struct err err = ERR_NONE;
	int r;

	(void)fputs(V "\"hostname\": \"x\"}", file);
	(void)fflush(file);
	(void)chmod(path, mode);
	r = oci_config_read(dir, &config, &err);
	if (wanted)
		EXPECT_TEXT(unit, err.text, error);
	else
		EXPECT(unit, r == 0 && strcmp(config->hostname, "x") == 0);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void whose_it_is(struct unit *unit)
{
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;

	in_directory(unit, 0644, NULL);
	in_directory(unit, 0666, "others may write it");
	EXPECT(unit, oci_config_read("/nowhere", &config, &err) == -ENOENT);
	EXPECT_TEXT(unit, err.text, "/nowhere/config.json: open it: No such file or directory");
}

static const struct unit_case cases[] = {
	UNIT_CASE(everything), UNIT_CASE(process), UNIT_CASE(lists),	   UNIT_CASE(faults),
	UNIT_CASE(beginnings), UNIT_CASE(damage),  UNIT_CASE(whose_it_is),
};

int main(void)
{
	return UNIT_RUN(cases);
}
