/* Rules of nftables, as libnftables writes and reads them in JSON. The door to libnftables.
 *
 * It looks for files: names of marks when it starts, others in what it reads, and what it takes for
 * its own language, not JSON, may include any. So it runs in a child of ours; to restore, where
 * there are no files at all; and gets a text only that we have parsed and written ourselves, of
 * which it takes nothing but declarations. See net.h. */
#include "kind/support/net.h"

#include <nftables/libnftables.h>

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/json.h"

enum {
	NUMERIC = NFT_CTX_OUTPUT_NUMERIC_PROTO | NFT_CTX_OUTPUT_NUMERIC_PRIO |
		  NFT_CTX_OUTPUT_NUMERIC_TIME,
};

static void free_context(struct nft_ctx **context)
{
	if (*context)
		nft_ctx_free(*context);
}
#define auto_nft __attribute__((cleanup(free_context)))

/* A root directory with nothing in it, which nobody else can see. */
static int leave_files(struct err *err)
{
	auto_close int context = -1;
	auto_close int mount = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, -errno, "leave the mount namespace");
	context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, -errno, "make an empty directory");
	mount = fsmount(context, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (mount < 0 || fchdir(mount) < 0 || chroot(".") < 0)
		return err_set(err, -errno, "enter an empty directory");
	return 0;
}

/* Names in place of numbers only where they are its own: as numbers, it writes some of these in
 * another order of bytes than it reads them. */
static struct nft_ctx *open_context(void)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!context)
		return NULL;
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NUMERIC);
	(void)nft_ctx_buffer_output(context);
	(void)nft_ctx_buffer_error(context);
	nft_ctx_clear_include_paths(context);
	return context;
}

/* The first line of what it says. */
static int explain(struct nft_ctx *context, const char *what, struct err *err)
{
	const char *words = nft_ctx_get_error_buffer(context);

	if (!words || !*words)
		return err_set(err, ERR_FAILED, "%s", what);
	return err_set(err, ERR_FAILED, "%s: %.*s", what, (int)strcspn(words, "\n"), words);
}

/* ---- text ---- */

/* What a list is made of, and nothing that gives orders or names files. */
static const char *const declarations[] = {
	"table",     "chain",	 "rule",    "set",	 "map",	       "element",
	"flowtable", "counter",	 "quota",   "ct helper", "ct timeout", "ct expectation",
	"limit",     "synproxy", "secmark", NULL,
};

/* Handles are the kernel's own. */
static bool is_handle(const char *key)
{
	return strcmp(key, "handle") == 0 || strcmp(key, "metainfo") == 0;
}

static bool has_key(const struct json *value, const char *key);

struct search {
	const char *key;
	bool is_found;
};

static int search_member(void *argument, const char *key, const struct json *value, struct err *err)
{
	struct search *search = argument;

	(void)err;
	search->is_found =
	    search->is_found || strcmp(key, search->key) == 0 || has_key(value, search->key);
	return 0;
}

static bool has_key(const struct json *value, const char *key)
{
	struct search search = { .key = key };
	struct err ignored;

	if (json_holds_object(value))
		(void)json_each(value, search_member, &search, &ignored);
	for (size_t i = 0; json_holds_array(value) && i < json_count(value); i++)
		search.is_found = search.is_found || has_key(json_element(value, i), key);
	return search.is_found;
}

static bool is_declaration(const struct json *value)
{
	size_t i = 0;

	if (!json_holds_object(value) || json_count(value) != 1)
		return false;
	while (declarations[i] && !json_get(value, declarations[i]))
		i++;
	return json_holds_object(declarations[i] ? json_get(value, declarations[i]) : NULL);
}

/* The declarations of a list, in one line, without handles; NULL if it is none. */
static char *settle(const struct json *list, bool (*is_left_out)(const char *key))
{
	const struct json *all = json_get(list, "nftables");
	auto_json struct json *root = json_new_object();
	struct json *kept = json_new_array();

	json_put(root, "nftables", kept);
	if (!json_holds_array(all))
		return NULL;
	for (size_t i = 0; i < json_count(all); i++) {
		const struct json *element = json_element(all, i);

		if (json_get(element, "metainfo"))
			continue;
		if (!is_declaration(element))
			return NULL;
		json_add(kept, json_copy_without(element, is_left_out));
	}
	return json_print(root, false);
}

/* ---- dump ---- */

static int on_table(void *argument, const struct nlmsghdr *message)
{
	struct net_saving *saving = argument;
	const struct nlattr *name = netlink_find(message, sizeof(struct nfgenmsg), NFTA_TABLE_NAME);
	const struct nlattr *flags =
	    netlink_find(message, sizeof(struct nfgenmsg), NFTA_TABLE_FLAGS);

	saving->item_count++;
	if (netlink_u32(flags, 0) != 0)
		buf_printf(
		    saving->blockers,
		    "nftables table %s, which is dormant or somebody's own, is not supported\n",
		    netlink_text(name) ? netlink_text(name) : "?");
	return 0;
}

/* None, where the kernel does not know them. */
static bool has_tables(struct net_saving *saving)
{
	auto_netlink struct netlink *netlink = NULL;
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct net_saving found = { .blockers = saving->blockers };
	struct netlink_reader reader = { .each = on_table, .argument = &found };
	struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };

	if (netlink_open(NETLINK_NETFILTER, &netlink) < 0)
		return false;
	netlink_begin(&message, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &header,
		      sizeof(header));
	return netlink_ask(netlink, &message, &reader) == 0 && found.item_count > 0;
}

static int list_rules(struct nft_ctx *context, struct json **ret_list, struct err *err)
{
	const char *text;

	if (nft_run_cmd_from_buffer(context, "list ruleset") != 0)
		return explain(context, "list rules of nftables", err);
	text = nft_ctx_get_output_buffer(context);
	return json_parse(text, strlen(text), ret_list, err);
}

/* The rules in nftables' own language, without what goes on by itself: nobody reads it, but it is
 * the same after a restore. Owned. */
static int list_text(struct nft_ctx *context, char **ret_text, struct err *err)
{
	int r;

	nft_ctx_output_set_flags(context, NUMERIC | NFT_CTX_OUTPUT_STATELESS);
	r = nft_run_cmd_from_buffer(context, "list ruleset");
	if (r != 0)
		return explain(context, "list rules of nftables", err);
	*ret_text = mem_string(nft_ctx_get_output_buffer(context));
	return 0;
}

static int save_rules(struct net_saving *saving, struct err *err)
{
	auto_nft struct nft_ctx *context = NULL;
	auto_json struct json *list = NULL;
	auto_free char *declared = NULL;
	auto_free char *text = NULL;
	int r = leave_files(err);

	if (r < 0)
		return r;
	context = open_context();
	if (!context)
		return err_set(err, ERR_HOST, "libnftables does not start");
	r = list_rules(context, &list, err);
	if (r == 0)
		r = list_text(context, &text, err);
	if (r < 0)
		return r;
	declared = settle(list, is_handle);
	if (!declared || has_key(list, "xt")) {
		buf_printf(saving->blockers, "rules of iptables-nft are not supported\n");
		return 0;
	}
	return net_add_item(saving, NET_NFTABLES, declared, strlen(declared) + 1, text,
			    strlen(text) + 1, err);
}

int net_save_nftables(struct net_saving *saving, struct err *err)
{
	return has_tables(saving) && saving->blockers->size == 0 ? save_rules(saving, err) : 0;
}

/* ---- check ---- */

int net_check_nftables(const void *declared, size_t size, struct err *err)
{
	auto_json struct json *list = NULL;
	auto_free char *settled = NULL;
	size_t length = strnlen(declared, size);
	int r;

	if (length + 1 >= size ||
	    strnlen((const char *)declared + length + 1, size - length - 1) != size - length - 2)
		return err_set(err, ERR_DAMAGED, "impossible rules of nftables");
	r = json_parse(declared, length, &list, err);
	if (r == 0)
		settled = settle(list, NULL);
	return settled ? 0 : err_set(err, ERR_DAMAGED, "impossible rules of nftables");
}

/* ---- restore ---- */

static int compare(struct nft_ctx *context, const char *before, struct err *err)
{
	auto_free char *after = NULL;
	int r = list_text(context, &after, err);

	if (r < 0)
		return r;
	if (strcmp(before, after) != 0)
		return err_set(err, ERR_HOST,
			       "rules of nftables came back as others: this host's "
			       "libnftables or kernel is another one");
	return 0;
}

static int restore_in_child(void *argument, struct buf *answer, struct err *err)
{
	const struct net_view *view = argument;
	auto_nft struct nft_ctx *context = NULL;
	auto_json struct json *list = NULL;
	auto_free char *text = NULL;
	const char *declared = view->rec;
	int r = json_parse(declared, strlen(declared), &list, err);

	(void)answer;
	if (r < 0)
		return r;
	text = settle(list, NULL);
	if (!text)
		return err_set(err, ERR_DAMAGED, "impossible rules of nftables");
	r = leave_files(err);
	if (r < 0)
		return r;
	context = open_context();
	if (!context)
		return err_set(err, ERR_HOST, "libnftables does not start");
	if (nft_run_cmd_from_buffer(context, text) != 0)
		return explain(context, "set rules of nftables", err);
	return compare(context, declared + strlen(declared) + 1, err);
}

int net_restore_nftables(const void *content, size_t size, struct err *err)
{
	auto_buf struct buf nothing = BUF_EMPTY;
	struct reader reader = reader_of(content, size);
	struct net_view view;
	int r = 0;

	while (r == 0 && net_next(&reader, NET_NFTABLES, &view))
		r = net_child(-1, restore_in_child, &view, &nothing, err);
	return r;
}
