/* Files that are believed. See trusted.h. */
#include "policy/trusted.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

static bool is_owned(const struct stat *st, enum trusted_owner owner)
{
	return st->st_uid == 0 || (owner == TRUSTED_OWN && st->st_uid == geteuid());
}

static const char *owner_name(enum trusted_owner owner)
{
	return owner == TRUSTED_OWN ? "the invoker or root" : "root";
}

static int check_directory(int dir, enum trusted_owner owner, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_set(err, -errno, "look at its directory");
	if (!is_owned(&st, owner))
		return err_set(err, ERR_REFUSED, "its directory does not belong to %s",
			       owner_name(owner));
	if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
		return err_set(err, ERR_REFUSED, "others may write in its directory");
	return 0;
}

static int check_file(int fd, enum trusted_owner owner, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REFUSED, "it is not a regular file");
	if (!is_owned(&st, owner))
		return err_set(err, ERR_REFUSED, "it does not belong to %s", owner_name(owner));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_REFUSED, "others may write it");
	return 0;
}

/* However long it is said to be: it may grow while it is read. */
static int read_all(int fd, size_t limit, struct buf *text, struct err *err)
{
	char bytes[16384];

	(void)buf_append(text, NULL, 0);
	for (;;) {
		ssize_t size = read(fd, bytes, sizeof(bytes));

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return err_set(err, -errno, "read it");
		if (size == 0)
			return 0;
		if ((size_t)size > limit - text->size)
			return err_set(err, ERR_REFUSED, "it has more than %zu bytes", limit);
		(void)buf_append(text, bytes, (size_t)size);
	}
}

/* What was looked at is what is opened. */
static int open_place(int place, struct err *err)
{
	auto_free char *path = mem_printf("/proc/self/fd/%d", place);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? err_set(err, -errno, "open it") : fd;
}

int trusted_read(const char *path, enum trusted_owner owner, size_t limit, struct buf *ret_text,
		 struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	auto_free char *parent =
	    slash ? mem_copy(path, (size_t)(slash - path) + 1) : mem_string(".");
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int dir = -1;
	auto_close int place = -1;
	auto_close int fd = -1;
	int r;

	dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		place = openat(dir, *name ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return err_set(err, -errno, "open it");
	r = check_file(place, owner, err);
	if (r == 0)
		r = check_directory(dir, owner, err);
	if (r < 0)
		return r;
	fd = open_place(place, err);
	r = fd < 0 ? fd : read_all(fd, limit, &text, err);
	if (r < 0)
		return r;
	*ret_text = text;
	text = BUF_EMPTY;
	return 0;
}
