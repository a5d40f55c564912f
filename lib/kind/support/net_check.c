/* The content of a network namespace in an image: hostile bytes. See net.h. */
#include "kind/support/net.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

static size_t rec_size(enum net_item type)
{
	switch (type) {
	case NET_LINK:
		return sizeof(struct net_link_rec);
	case NET_ADDRESS_ITEM:
		return sizeof(struct net_address_rec);
	case NET_ROUTE:
		return sizeof(struct net_route_rec);
	case NET_RULE:
		return sizeof(struct net_rule_rec);
	case NET_NEIGHBOUR:
		return sizeof(struct net_neighbour_rec);
	case NET_SYSCTL:
		return sizeof(struct net_sysctl_rec);
	case NET_FEATURES:
		return sizeof(struct net_features_rec);
	case NET_NFTABLES:
		return 0;
	}
	return 0;
}

/* False at the end, and where there is not a whole item. */
static bool take_item(struct reader *reader, struct net_view *view)
{
	const struct net_item_rec *item = reader_take(reader, sizeof(*item));
	size_t size = item ? le32_get(item->size) : 0;
	const unsigned char *body = item ? reader_take(reader, size) : NULL;
	size_t padding = (8 - size % 8) % 8;
	const unsigned char *zeros = body ? reader_take(reader, padding) : NULL;

	if (!zeros)
		return false;
	*view = (struct net_view){ .type = (enum net_item)le32_get(item->type) };
	if (size < rec_size(view->type))
		return false;
	for (size_t i = 0; i < padding; i++) {
		if (zeros[i] != 0)
			return false;
	}
	view->rec = body;
	view->attributes = body + rec_size(view->type);
	view->size = size - rec_size(view->type);
	return true;
}

bool net_next(struct reader *reader, enum net_item type, struct net_view *ret_view)
{
	while (take_item(reader, ret_view)) {
		if (!type || ret_view->type == type)
			return true;
	}
	return false;
}

static bool is_inet(unsigned char family)
{
	return family == AF_INET || family == AF_INET6;
}

static int check_index(uint32_t index, struct err *err)
{
	if (index == 0 || index > INT32_MAX)
		return err_set(err, ERR_DAMAGED, "impossible index of a network interface");
	return 0;
}

static int check_attributes(const struct net_attribute *table, const void *bytes, size_t size,
			    struct err *err)
{
	if (!net_attributes_are_valid(table, bytes, size))
		return err_set(err, ERR_DAMAGED, "impossible attribute");
	return 0;
}

static int check_lists(const struct net_view *view, struct err *err)
{
	struct net_link link = net_link_of(view);
	const struct net_link_type *type = net_link_type(le32_get(link.rec->kind));
	int r = check_attributes(net_link_attributes, link.common, link.common_size, err);

	if (r == 0)
		r = check_attributes(type->attributes, link.data, link.data_size, err);
	if (r == 0)
		r = check_attributes(net_port_attributes, link.port, link.port_size, err);
	if (r == 0 && !link.name)
		return err_set(err, ERR_DAMAGED, "a network interface without a name");
	return r;
}

static int check_link(const struct net_view *view, struct err *err)
{
	const struct net_link_rec *rec = view->rec;
	uint32_t kind = le32_get(rec->kind);
	uint64_t lists = (uint64_t)le32_get(rec->common_size) + le32_get(rec->data_size) +
			 le32_get(rec->port_size);
	bool has_lower = kind == NET_VETH || kind == NET_VLAN;
	int r = check_index(le32_get(rec->index), err);

	if (r < 0)
		return r;
	if (!net_link_type(kind) || le32_get(rec->reserved) || lists != view->size ||
	    le32_get(rec->common_size) % 4 || le32_get(rec->data_size) % 4)
		return err_set(err, ERR_DAMAGED, "impossible network interface");
	if (le32_get(rec->flags) & ~(uint32_t)NET_LINK_FLAGS)
		return err_set(err, ERR_DAMAGED, "impossible flags of a network interface");
	if ((kind == NET_LOOPBACK) != (le32_get(rec->index) == 1) ||
	    has_lower != (le32_get(rec->lower) != 0) || le32_get(rec->lower) > INT32_MAX ||
	    (kind != NET_VETH && le32_get(rec->peer)) || le32_get(rec->master) > INT32_MAX)
		return err_set(err, ERR_DAMAGED, "impossible place of a network interface");
	return check_lists(view, err);
}

static int check_address(const struct net_view *view, struct err *err)
{
	const struct net_address_rec *rec = view->rec;
	int r = check_index(le32_get(rec->index), err);

	if (r < 0)
		return r;
	if (!is_inet(rec->family) || rec->prefix > 128 || rec->reserved)
		return err_set(err, ERR_DAMAGED, "impossible address");
	return check_attributes(net_address_attributes, view->attributes, view->size, err);
}

static int check_route(const struct net_view *view, struct err *err)
{
	const struct net_route_rec *rec = view->rec;

	if (!is_inet(rec->family) || rec->destination > 128 || rec->source > 128 ||
	    rec->type >= __RTN_MAX || rec->reserved ||
	    le32_get(rec->flags) & ~(uint32_t)(RTNH_F_ONLINK | RTNH_F_PERVASIVE))
		return err_set(err, ERR_DAMAGED, "impossible route");
	return check_attributes(net_route_attributes, view->attributes, view->size, err);
}

static int check_rule(const struct net_view *view, struct err *err)
{
	const struct net_rule_rec *rec = view->rec;

	if (!is_inet(rec->family) || rec->destination > 128 || rec->source > 128 ||
	    rec->action >= __FR_ACT_MAX || rec->reserved[0] || rec->reserved[1] ||
	    rec->reserved[2] || le32_get(rec->flags) & ~(uint32_t)FIB_RULE_INVERT)
		return err_set(err, ERR_DAMAGED, "impossible routing rule");
	return check_attributes(net_rule_attributes, view->attributes, view->size, err);
}

static int check_neighbour(const struct net_view *view, struct err *err)
{
	const struct net_neighbour_rec *rec = view->rec;
	unsigned int flags = NTF_PROXY | NTF_ROUTER | NTF_STICKY | NTF_MASTER;
	int r = check_index(le32_get(rec->index), err);

	if (r < 0)
		return r;
	if ((!is_inet(rec->family) && rec->family != AF_BRIDGE) || rec->type ||
	    rec->flags & ~flags || rec->state & ~(NUD_PERMANENT | NUD_NOARP))
		return err_set(err, ERR_DAMAGED, "impossible neighbour");
	return check_attributes(net_neighbour_attributes, view->attributes, view->size, err);
}

static bool is_text(const char *text, size_t size)
{
	return size > 0 && strnlen(text, size) == size - 1;
}

static int check_sysctl(const struct net_view *view, struct err *err)
{
	const struct net_sysctl_rec *rec = view->rec;
	const char *name = view->attributes;
	size_t name_size = le32_get(rec->name_size);
	size_t value_size = le32_get(rec->value_size);

	if (name_size + value_size != view->size || !is_text(name, name_size) ||
	    !is_text(name + name_size, value_size) || !net_sysctl_is_valid(name, name + name_size))
		return err_set(err, ERR_DAMAGED, "impossible setting");
	return 0;
}

static int check_features(const struct net_view *view, struct err *err)
{
	const struct net_features_rec *rec = view->rec;
	int r = check_index(le32_get(rec->index), err);

	if (r == 0 && le32_get(rec->reserved))
		r = err_set(err, ERR_DAMAGED, "impossible offload");
	return r < 0 ? r : net_check_features(view->attributes, view->size, err);
}

static int check_item(const struct net_view *view, struct err *err)
{
	switch (view->type) {
	case NET_LINK:
		return check_link(view, err);
	case NET_ADDRESS_ITEM:
		return check_address(view, err);
	case NET_ROUTE:
		return check_route(view, err);
	case NET_RULE:
		return check_rule(view, err);
	case NET_NEIGHBOUR:
		return check_neighbour(view, err);
	case NET_SYSCTL:
		return check_sysctl(view, err);
	case NET_FEATURES:
		return check_features(view, err);
	case NET_NFTABLES:
		return net_check_nftables(view->rec, view->size, err);
	}
	return err_set(err, ERR_DAMAGED, "a thing that is not known");
}

int net_check(const void *content, size_t size, struct err *err)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;
	size_t count = 0;

	if (size > NET_CONTENT_MAX)
		return err_set(err, ERR_DAMAGED, "%zu bytes", size);
	while (take_item(&reader, &view)) {
		int r = check_item(&view, err);

		if (r < 0)
			return r;
		if (++count > NET_ITEMS_MAX)
			return err_set(err, ERR_DAMAGED, "more than %d things", NET_ITEMS_MAX);
	}
	if (reader_left(&reader) > 0)
		return err_set(err, ERR_DAMAGED, "%zu bytes behind the last thing",
			       reader_left(&reader));
	return 0;
}
