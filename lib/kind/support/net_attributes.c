/* Attributes, from messages to records and back. See net_attributes.h. */
#include "kind/support/net_attributes.h"

#include <ctype.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

enum { PATH_FLAGS = RTNH_F_ONLINK | RTNH_F_PERVASIVE };

static size_t aligned(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

bool net_name_is_valid(const char *name, size_t size)
{
	size_t length = strnlen(name, size);

	if (length == 0 || length >= IFNAMSIZ || length + 1 != size || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (name[i] == '/' || name[i] == ':' || isspace((unsigned char)name[i]))
			return false;
	}
	return true;
}

static bool text_is_valid(const char *text, size_t size, size_t max)
{
	if (size > max || strnlen(text, size) + 1 != size)
		return false;
	for (size_t i = 0; i + 1 < size; i++) {
		if (iscntrl((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* Whatever is one value. */
static bool value_is_valid(const struct net_attribute *row, const void *value, size_t size)
{
	switch ((enum net_form)row->form) {
	case NET_BYTES:
		return size == row->size;
	case NET_ADDRESS:
		return size == 4 || size == 16;
	case NET_HARDWARE:
		return size >= 1 && size <= 32;
	case NET_NAME:
		return net_name_is_valid(value, size);
	case NET_TEXT:
		return text_is_valid(value, size, row->size);
	default:
		return false;
	}
}

/* ---- from messages ---- */

static const char *take_one(const struct net_attribute *row, const struct nlattr *attribute,
			    struct buf *out);

static const char *take_paths(const struct net_attribute *row, const struct nlattr *attribute,
			      struct buf *out)
{
	const struct rtnexthop *path = netlink_data(attribute);
	int left = (int)netlink_size(attribute);
	const char *refused = NULL;

	for (; !refused && RTNH_OK(path, left);
	     left -= (int)aligned(path->rtnh_len), path = RTNH_NEXT(path)) {
		size_t at = out->size;
		struct net_path_rec rec = { .index = le32_make((uint32_t)path->rtnh_ifindex),
					    .flags = path->rtnh_flags & PATH_FLAGS,
					    .weight = path->rtnh_hops };

		(void)buf_append(out, &rec, sizeof(rec));
		refused = net_attributes_take(row->nested, RTNH_DATA(path),
					      path->rtnh_len - sizeof(*path), out);
		rec.size = le16_make((uint16_t)(out->size - at - sizeof(rec)));
		memcpy(out->data + at, &rec, sizeof(rec));
	}
	return refused;
}

static const char *take_value(const struct net_attribute *row, const struct nlattr *attribute,
			      struct buf *out)
{
	const void *value = netlink_data(attribute);
	size_t size = netlink_size(attribute);

	switch ((enum net_form)row->form) {
	case NET_NEST:
		return net_attributes_take(row->nested, value, size, out);
	case NET_PATHS:
		return take_paths(row, attribute, out);
	case NET_NAME:
	case NET_TEXT:
		size = strnlen(value, size) + 1;
		break;
	default:
		break;
	}
	if (!value_is_valid(row, value, size))
		return "an attribute of another size than it is known for";
	(void)buf_append(out, value, size);
	return NULL;
}

/* Nests that are empty are left out. */
static const char *take_one(const struct net_attribute *row, const struct nlattr *attribute,
			    struct buf *out)
{
	struct net_attribute_rec rec = { .type = le16_make(row->type) };
	size_t at = out->size;
	const char *refused;

	if (row->form == NET_REFUSED)
		return row->refusal;
	(void)buf_append(out, &rec, sizeof(rec));
	refused = take_value(row, attribute, out);
	if (out->size == at + sizeof(rec)) {
		out->size = at;
		return refused;
	}
	rec.size = le16_make((uint16_t)(out->size - at - sizeof(rec)));
	memcpy(out->data + at, &rec, sizeof(rec));
	buf_align(out, 4);
	return refused;
}

const char *net_attributes_take(const struct net_attribute *table, const void *data, size_t size,
				struct buf *out)
{
	const char *refused = NULL;

	for (; table->form != NET_END && !refused; table++) {
		const struct nlattr *attribute = netlink_find_bytes(data, size, table->type);

		if (attribute)
			refused = take_one(table, attribute, out);
	}
	return refused;
}

/* ---- in records ---- */

/* The next attribute; its value; NULL at the end, or where there is not a whole one. */
static const struct net_attribute_rec *next(struct reader *reader, const void **ret_value)
{
	const struct net_attribute_rec *rec = reader_take(reader, sizeof(*rec));

	*ret_value = rec ? reader_take(reader, aligned(le16_get(rec->size))) : NULL;
	return *ret_value ? rec : NULL;
}

static bool paths_are_valid(const struct net_attribute *row, const void *value, size_t size)
{
	struct reader reader = reader_of(value, size);
	const struct net_path_rec *rec;

	while ((rec = reader_take(&reader, sizeof(*rec)))) {
		const void *attributes = reader_take(&reader, le16_get(rec->size));

		if (!attributes || rec->flags & ~PATH_FLAGS || le32_get(rec->index) > INT32_MAX ||
		    !net_attributes_are_valid(row->nested, attributes, le16_get(rec->size)))
			return false;
	}
	return reader_left(&reader) == 0;
}

static bool is_valid(const struct net_attribute *row, const unsigned char *value, size_t size)
{
	for (size_t i = size; i < aligned(size); i++) {
		if (value[i] != 0)
			return false;
	}
	switch ((enum net_form)row->form) {
	case NET_NEST:
		return size > 0 && net_attributes_are_valid(row->nested, value, size);
	case NET_PATHS:
		return size > 0 && paths_are_valid(row, value, size);
	default:
		return value_is_valid(row, value, size);
	}
}

bool net_attributes_are_valid(const struct net_attribute *table, const void *bytes, size_t size)
{
	struct reader reader = reader_of(bytes, size);
	const struct net_attribute_rec *rec;
	const void *value;

	while ((rec = next(&reader, &value))) {
		while (table->form != NET_END && table->type != le16_get(rec->type))
			table++;
		if (table->form == NET_END || !is_valid(table, value, le16_get(rec->size)))
			return false;
		table++;
	}
	return reader_left(&reader) == 0;
}

const void *net_attribute_find(const void *bytes, size_t size, uint16_t type, size_t *ret_size)
{
	struct reader reader = reader_of(bytes, size);
	const struct net_attribute_rec *rec;
	const void *value;

	while ((rec = next(&reader, &value))) {
		if (le16_get(rec->type) != type)
			continue;
		*ret_size = le16_get(rec->size);
		return value;
	}
	return NULL;
}

uint32_t net_attribute_u32(const void *bytes, size_t size, uint16_t type, uint32_t otherwise)
{
	uint32_t value;
	size_t value_size = 0;
	const void *found = net_attribute_find(bytes, size, type, &value_size);

	if (!found || value_size != sizeof(value))
		return otherwise;
	memcpy(&value, found, sizeof(value));
	return value;
}

/* ---- to messages ---- */

static void put_paths(const struct net_attribute *row, const void *value, size_t size,
		      struct netlink_message *message)
{
	struct reader reader = reader_of(value, size);
	const struct net_path_rec *rec;

	while ((rec = reader_take(&reader, sizeof(*rec)))) {
		const void *attributes = reader_take(&reader, le16_get(rec->size));
		struct rtnexthop path = { .rtnh_flags = rec->flags,
					  .rtnh_hops = rec->weight,
					  .rtnh_ifindex = (int)le32_get(rec->index) };
		size_t start = message->header->nlmsg_len;

		netlink_put_raw(message, &path, sizeof(path));
		net_attributes_put(row->nested, attributes, le16_get(rec->size), NULL, message);
		if (message->is_full)
			return;
		path.rtnh_len = (unsigned short)(message->header->nlmsg_len - start);
		memcpy((char *)message->header + start, &path, sizeof(path));
	}
}

static void put_one(const struct net_attribute *row, const void *value, size_t size,
		    struct netlink_message *message)
{
	size_t nest;

	if (row->form != NET_NEST && row->form != NET_PATHS) {
		netlink_put(message, row->type, value, size);
		return;
	}
	nest = netlink_nest(message, row->type);
	if (row->form == NET_NEST)
		net_attributes_put(row->nested, value, size, NULL, message);
	else
		put_paths(row, value, size, message);
	if (!message->is_full)
		netlink_nest_end(message, nest);
}

static bool is_listed(const uint16_t *list, uint16_t type)
{
	while (list && *list && *list != type)
		list++;
	return list && *list;
}

void net_attributes_put(const struct net_attribute *table, const void *bytes, size_t size,
			const uint16_t *without, struct netlink_message *message)
{
	struct reader reader = reader_of(bytes, size);
	const struct net_attribute_rec *rec;
	const void *value;

	while ((rec = next(&reader, &value))) {
		while (table->type != le16_get(rec->type))
			table++;
		if (!is_listed(without, table->type))
			put_one(table, value, le16_get(rec->size), message);
	}
}

bool net_attributes_put_changes(const struct net_attribute *table, const void *bytes, size_t size,
				const void *now, size_t now_size, const uint16_t *without,
				struct netlink_message *message)
{
	struct reader reader = reader_of(bytes, size);
	const struct net_attribute_rec *rec;
	const void *value;
	bool has_some = false;

	while ((rec = next(&reader, &value))) {
		size_t same_size = 0;
		const void *same =
		    net_attribute_find(now, now_size, le16_get(rec->type), &same_size);

		while (table->type != le16_get(rec->type))
			table++;
		if (is_listed(without, table->type) || (same && same_size == le16_get(rec->size) &&
							memcmp(same, value, same_size) == 0))
			continue;
		put_one(table, value, le16_get(rec->size), message);
		has_some = true;
	}
	return has_some;
}
