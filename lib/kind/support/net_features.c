/* Offloads of network interfaces, as ethtool(8) turns them on and off: those that can be. By their
 * names, since every kernel has numbers of its own. See net.h. */
#include "kind/support/net.h"

#include <ctype.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { FEATURES_MAX = 1024 };

/* What the kernel says of an interface. */
struct features {
	struct ethtool_gstrings *names; /* owned */
	struct ethtool_gfeatures *bits; /* owned */
};

static void features_free(struct features *features)
{
	free(features->names);
	free(features->bits);
}

static bool ask(int fd, const char *name, void *command)
{
	struct ifreq request = { .ifr_data = command };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static uint32_t count_features(int fd, const char *name)
{
	union {
		struct ethtool_sset_info info;
		char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} question = { .info = { .cmd = ETHTOOL_GSSET_INFO,
				 .sset_mask = UINT64_C(1) << ETH_SS_FEATURES } };
	uint32_t count = 0;

	if (ask(fd, name, &question) && question.info.sset_mask)
		memcpy(&count, question.info.data, sizeof(count));
	return count > FEATURES_MAX ? 0 : count;
}

static bool read_features(int fd, const char *name, struct features *ret_features)
{
	uint32_t count = count_features(fd, name);
	uint32_t blocks = (count + 31) / 32;
	struct ethtool_gstrings *names =
	    mem_alloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	struct ethtool_gfeatures *bits =
	    mem_alloc(1, sizeof(*bits) + blocks * sizeof(bits->features[0]));

	*ret_features = (struct features){ names, bits };
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	bits->cmd = ETHTOOL_GFEATURES;
	bits->size = blocks;
	return count > 0 && ask(fd, name, names) && names->len == count && ask(fd, name, bits) &&
	       bits->size == blocks;
}

static const char *name_of(const struct features *features, uint32_t number)
{
	return (const char *)features->names->data + (size_t)number * ETH_GSTRING_LEN;
}

static bool is_on(uint32_t block, uint32_t number)
{
	return block >> (number % 32) & 1;
}

/* ---- dump ---- */

static void append_feature(const struct features *features, uint32_t number, struct buf *text)
{
	const struct ethtool_get_features_block *block = &features->bits->features[number / 32];
	const char *name = name_of(features, number);
	size_t length = strnlen(name, ETH_GSTRING_LEN);

	if (length == 0 || !is_on(block->available, number))
		return;
	(void)buf_append(text, is_on(block->requested, number) ? "+" : "-", 1);
	(void)buf_append(text, name, length);
	(void)buf_append(text, "", 1);
}

static int save_link(struct net_saving *saving, int fd, const struct net_link *link,
		     struct err *err)
{
	auto_with(features_free) struct features features = { .names = NULL };
	const struct net_features_rec rec = { .index = le32_make(link->index) };
	auto_buf struct buf text = BUF_EMPTY;

	if (!read_features(fd, link->name, &features))
		return 0;
	for (uint32_t i = 0; i < features.names->len; i++)
		append_feature(&features, i, &text);
	if (text.size == 0)
		return 0;
	return net_add_item(saving, NET_FEATURES, &rec, sizeof(rec), text.data, text.size, err);
}

int net_save_features(struct net_saving *saving, struct err *err)
{
	/* It grows while it is read. */
	auto_free char *links = mem_copy(saving->content->data, saving->content->size);
	struct reader reader = reader_of(links, saving->content->size);
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct net_view view;
	int r = 0;

	while (fd >= 0 && r == 0 && net_next(&reader, NET_LINK, &view)) {
		struct net_link link = net_link_of(&view);

		r = save_link(saving, fd, &link, err);
	}
	return r;
}

/* ---- check ---- */

int net_check_features(const char *text, size_t size, struct err *err)
{
	const char *end = text + size;

	while (text < end) {
		size_t length = strnlen(text, (size_t)(end - text));

		if (text + length == end || length < 2 || length > ETH_GSTRING_LEN + 1 ||
		    (*text != '+' && *text != '-'))
			return err_set(err, ERR_DAMAGED, "impossible offload");
		for (size_t i = 1; i < length; i++) {
			if (!isgraph((unsigned char)text[i]))
				return err_set(err, ERR_DAMAGED, "impossible offload");
		}
		text += length + 1;
	}
	return 0;
}

/* ---- restore ---- */

static bool find_feature(const struct features *features, const char *name, uint32_t *ret_number)
{
	for (uint32_t i = 0; i < features->names->len; i++) {
		const char *own = name_of(features, i);
		size_t length = strnlen(own, ETH_GSTRING_LEN);

		if (strlen(name) == length && memcmp(own, name, length) == 0) {
			*ret_number = i;
			return true;
		}
	}
	return false;
}

static void set_features(int fd, const char *name, const struct features *now,
			 const struct net_view *wanted)
{
	size_t blocks = now->bits->size;
	auto_free struct ethtool_sfeatures *change =
	    mem_alloc(1, sizeof(*change) + blocks * sizeof(change->features[0]));
	const char *end = (const char *)wanted->attributes + wanted->size;
	bool is_other = false;

	change->cmd = ETHTOOL_SFEATURES;
	change->size = (uint32_t)blocks;
	for (const char *at = wanted->attributes; at < end; at += strlen(at) + 1) {
		uint32_t i;

		if (!find_feature(now, at + 1, &i) ||
		    !is_on(now->bits->features[i / 32].available, i) ||
		    is_on(now->bits->features[i / 32].requested, i) == (*at == '+'))
			continue;
		change->features[i / 32].valid |= 1u << (i % 32);
		change->features[i / 32].requested |= (uint32_t)(*at == '+') << (i % 32);
		is_other = true;
	}
	if (is_other)
		(void)ask(fd, name, change);
}

/* One that the kernel knows no more, or has for good, is no difference unless it is another way. */
static void note_features(struct restore *rs, const char *name, const struct features *now,
			  const struct net_view *wanted)
{
	const char *end = (const char *)wanted->attributes + wanted->size;

	for (const char *at = wanted->attributes; at < end; at += strlen(at) + 1) {
		const struct ethtool_get_features_block *block;
		bool is_wanted = *at == '+';
		bool is_there = false;
		uint32_t i;

		if (find_feature(now, at + 1, &i)) {
			block = &now->bits->features[i / 32];
			is_there =
			    is_on(is_on(block->available, i) ? block->requested : block->active, i);
		}
		if (is_there != is_wanted)
			restore_note(rs, "network interface %s: offload %s is not %s as before",
				     name, at + 1, is_wanted ? "on" : "off");
	}
}

void net_restore_features(struct restore *rs, const void *content, size_t size)
{
	struct reader reader = reader_of(content, size);
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct net_view view;

	while (fd >= 0 && net_next(&reader, NET_FEATURES, &view)) {
		const struct net_features_rec *rec = view.rec;
		auto_with(features_free) struct features before = { .names = NULL };
		auto_with(features_free) struct features after = { .names = NULL };
		char name[IF_NAMESIZE];

		if (!if_indextoname(le32_get(rec->index), name))
			continue;
		if (read_features(fd, name, &before))
			set_features(fd, name, &before, &view);
		if (read_features(fd, name, &after))
			note_features(rs, name, &after, &view);
	}
}
