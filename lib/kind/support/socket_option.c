/* Socket options, by tables. See socket_option.h. */
#include "kind/support/socket_option.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/cleanup.h"

/* A value as the kernel has it. */
struct value {
	socklen_t size;
	union {
		int number;
		unsigned long wide;
		struct linger linger;
		struct timeval time;
		char bytes[SOCKET_OPTION_MAX];
	};
};

static socklen_t kernel_size(enum option_form form)
{
	switch (form) {
	case OPTION_NUMBER:
	case OPTION_BUFFER:
		return sizeof(int);
	case OPTION_LONG:
		return sizeof(unsigned long);
	case OPTION_LINGER:
		return sizeof(struct linger);
	case OPTION_TIME:
		return sizeof(struct timeval);
	case OPTION_TEXT:
		return 16;
	case OPTION_BYTES:
		return SOCKET_OPTION_MAX;
	}
	return 0;
}

enum { BUF_LOCK_SEND = 1 }; /* SOCK_SNDBUF_LOCK of SO_BUF_LOCK, Linux 5.14 */

static bool is_variable(enum option_form form)
{
	return form == OPTION_TEXT || form == OPTION_BYTES;
}

static bool value_get(int fd, const struct socket_option *option, struct value *ret_value)
{
	struct value value = { .size = kernel_size(option->form) };

	if (getsockopt(fd, option->level, option->name, value.bytes, &value.size) < 0)
		return false;
	if (option->form == OPTION_TEXT)
		value.size = (socklen_t)strnlen(value.bytes, value.size);
	else if (!is_variable(option->form) && value.size != kernel_size(option->form))
		return false;
	*ret_value = value;
	return true;
}

/* ---- as in the image ---- */

static size_t saved_size(enum option_form form)
{
	return form == OPTION_NUMBER || form == OPTION_BUFFER ? 4 : 8;
}

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static uint64_t microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void value_save(const struct socket_option *option, const struct value *value,
		       struct buf *body)
{
	le32 numbers[2] = { le32_make((uint32_t)value->number) };
	le64 wide = le64_make(value->wide);
	const void *data = &wide;
	size_t size = is_variable(option->form) ? value->size : saved_size(option->form);
	struct socket_option_rec rec = { .level = le16_make((uint16_t)option->level),
					 .name = le16_make((uint16_t)option->name),
					 .length = le32_make((uint32_t)size) };

	if (is_variable(option->form))
		data = value->bytes;
	if (option->form == OPTION_NUMBER || option->form == OPTION_BUFFER)
		data = numbers;
	if (option->form == OPTION_TIME)
		wide = le64_make(microseconds(&value->time));
	if (option->form == OPTION_LINGER) {
		numbers[0] = le32_make(value->linger.l_onoff != 0);
		numbers[1] = le32_make((uint32_t)value->linger.l_linger);
		data = numbers;
	}
	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, data, size);
	(void)buf_append(body, NULL, padded(size) - size);
}

/* The bytes were checked. */
static void value_load(const struct socket_option *option, const struct socket_option_rec *rec,
		       struct value *ret_value)
{
	const le32 *numbers = (const void *)(rec + 1);
	const le64 *wide = (const void *)(rec + 1);
	struct value value = { .size = kernel_size(option->form) };

	switch (option->form) {
	case OPTION_NUMBER:
	case OPTION_BUFFER:
		value.number = les32_get(numbers[0]);
		break;
	case OPTION_LONG:
		value.wide = le64_get(*wide);
		break;
	case OPTION_LINGER:
		value.linger.l_onoff = les32_get(numbers[0]);
		value.linger.l_linger = les32_get(numbers[1]);
		break;
	case OPTION_TIME:
		value.time.tv_sec = (time_t)(le64_get(*wide) / 1000000);
		value.time.tv_usec = (suseconds_t)(le64_get(*wide) % 1000000);
		break;
	case OPTION_TEXT:
	case OPTION_BYTES:
		value.size = le32_get(rec->length);
		memcpy(value.bytes, rec + 1, value.size);
		break;
	}
	*ret_value = value;
}

void socket_options_save(int fd, const struct socket_option *table, struct buf *body)
{
	for (const struct socket_option *option = table; option && option->text; option++) {
		struct value value;

		if (value_get(fd, option, &value))
			value_save(option, &value, body);
	}
}

/* ---- check ---- */

static bool is_row(const struct socket_option *option, const struct socket_option_rec *rec)
{
	return option->level == le16_get(rec->level) && option->name == le16_get(rec->name);
}

/* The row at or behind *option that `rec` is of; goes on to the second table at the end. */
static bool find_row(const struct socket_option **option, const struct socket_option **next,
		     const struct socket_option_rec *rec)
{
	for (;;) {
		while (*option && (*option)->text && !is_row(*option, rec))
			(*option)++;
		if (*option && (*option)->text)
			return true;
		if (!*next)
			return false;
		*option = *next;
		*next = NULL;
	}
}

static bool value_is_valid(const struct socket_option *option, const struct socket_option_rec *rec)
{
	size_t size = le32_get(rec->length);
	const unsigned char *bytes = (const void *)(rec + 1);
	const le32 *numbers = (const void *)(rec + 1);
	struct value value;

	for (size_t i = size; i < padded(size); i++) {
		if (bytes[i] != 0)
			return false;
	}
	if (option->form == OPTION_TEXT)
		return size < 16 && !memchr(bytes, '\0', size);
	if (option->form == OPTION_BYTES)
		return true;
	if (size != saved_size(option->form))
		return false;
	if (option->form == OPTION_LINGER)
		return le32_get(numbers[0]) <= 1 && les32_get(numbers[1]) >= 0;
	value_load(option, rec, &value);
	return option->form != OPTION_TIME || value.time.tv_sec <= INT32_MAX;
}

int socket_options_check(const void *options, size_t size, const struct socket_option *first,
			 const struct socket_option *second, struct err *err)
{
	struct reader reader = reader_of(options, size);
	const struct socket_option *option = first;

	while (reader_left(&reader) > 0) {
		const struct socket_option_rec *rec = reader_take(&reader, sizeof(*rec));

		if (!rec || le32_get(rec->length) > SOCKET_OPTION_MAX ||
		    !reader_take(&reader, padded(le32_get(rec->length))))
			return err_set(err, ERR_DAMAGED, "socket: options are cut");
		if (!find_row(&option, &second, rec))
			return err_set(err, ERR_DAMAGED, "socket: unexpected option %u of level %u",
				       le16_get(rec->name), le16_get(rec->level));
		if (!value_is_valid(option, rec))
			return err_set(err, ERR_DAMAGED, "socket: impossible %s", option->text);
		option++;
	}
	return 0;
}

/* ---- restore ---- */

static const struct socket_option_rec *find_saved(const void *options, size_t size, int level,
						  int name)
{
	struct reader reader = reader_of(options, size);
	const struct socket_option_rec *rec;

	while ((rec = reader_take(&reader, sizeof(*rec)))) {
		if (le16_get(rec->level) == level && le16_get(rec->name) == name)
			return rec;
		(void)reader_take(&reader, padded(le32_get(rec->length)));
	}
	return NULL;
}

int socket_options_number(const void *options, size_t size, int level, int name, int otherwise)
{
	const struct socket_option_rec *rec = find_saved(options, size, level, name);

	return rec && le32_get(rec->length) == 4 ? les32_get(*(const le32 *)(const void *)(rec + 1))
						 : otherwise;
}

static bool is_same(const struct value *a, const struct value *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static int value_set(int fd, const struct socket_option *option, const struct value *value)
{
	struct value set = *value;

	if (option->form == OPTION_BUFFER)
		set.number = value->number / 2;
	if (setsockopt(fd, option->level, option->name, set.bytes, set.size) < 0)
		return -errno;
	return 0;
}

static int restore_one(struct restore *rs, int fd, const struct socket_option *option,
		       const struct socket_option_rec *rec, struct err *err)
{
	struct value saved;
	struct value now;
	bool is_known;
	int r;

	value_load(option, rec, &saved);
	is_known = value_get(fd, option, &now);
	if (is_known && is_same(&saved, &now))
		return 0;
	r = value_set(fd, option, &saved);
	if (r < 0 && !(option->rules & OPTION_SOFT))
		return err_set(err, r, "set %s", option->text);
	if (r < 0)
		restore_note(rs, "%s of a socket is not kept: %s", option->text, strerror(-r));
	return 0;
}

/* Is there more room than there was, where that is in nobody's way? */
static bool has_grown(int fd, const struct socket_option *option, const void *options, size_t size,
		      bool is_early)
{
	int lock = socket_options_number(options, size, SOL_SOCKET, SO_BUF_LOCK, ~0);
	struct value now;

	return option->rules & OPTION_GROWS && (is_early || !(lock & BUF_LOCK_SEND)) &&
	       value_get(fd, option, &now) &&
	       now.number >= socket_options_number(options, size, option->level, option->name, 0);
}

static bool is_due(const struct socket_option *option, bool is_early)
{
	return is_early ? option->rules & OPTION_EARLY : !(option->rules & OPTION_ONCE);
}

int socket_options_restore(struct restore *rs, int fd, const void *options, size_t size,
			   const struct socket_option *table, bool is_early, struct err *err)
{
	for (const struct socket_option *option = table; option && option->text; option++) {
		const struct socket_option_rec *rec =
		    find_saved(options, size, option->level, option->name);
		int r;

		if (!rec || !is_due(option, is_early) ||
		    has_grown(fd, option, options, size, is_early))
			continue;
		r = restore_one(rs, fd, option, rec, err);
		if (r < 0)
			return r;
	}
	return 0;
}
