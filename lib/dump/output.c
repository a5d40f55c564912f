/* Image files: O_TMPFILE where the file system has it, else a hidden name. See output.h. */
#include "dump/output.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

static int open_temporary(struct output *output)
{
	uint64_t random;

	output->fd = openat(output->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (output->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	output->temporary = mem_printf(".%s.%016" PRIx64 ".partial", output->name, random);
	output->fd = openat(output->dir, output->temporary,
			    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	return output->fd < 0 ? -errno : 0;
}

static int exists(const char *path, struct err *err)
{
	(void)err_set(err, -EEXIST, "write image %s", path);
	return err_hint(err, "choose another name, or replace it with --force");
}

static int special(const char *path, struct err *err)
{
	(void)err_set(err, ERR_FAILED, "write image %s: it is neither a file nor a link", path);
	return err_hint(err, "-o - writes to standard output, which may be anything");
}

/* output->name in output->dir, which errors call `path`. */
static int open_in_directory(const char *path, struct output *output, struct err *err)
{
	struct stat stat;
	int r;

	if (output->dir < 0)
		return err_set(err, -errno, "write image %s", path);
	if (strcmp(output->name, ".") == 0 || strcmp(output->name, "..") == 0 ||
	    strcmp(output->name, "/") == 0)
		return err_set(err, -EISDIR, "write image %s", path);
	if (fstatat(output->dir, output->name, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(stat.st_mode))
			return err_set(err, -EISDIR, "write image %s", path);
		/* An image never takes the place of /dev/null. */
		if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode))
			return special(path, err);
		if (!output->force)
			return exists(path, err);
	}
	r = open_temporary(output);
	if (r < 0)
		return err_set(err, r, "write image %s", path);
	return 0;
}

static int open_file(const char *path, struct output *output, struct err *err)
{
	auto_free char *for_dir = mem_string(path);
	auto_free char *for_name = mem_string(path);

	output->name = mem_string(basename(for_name));
	output->dir = open(dirname(for_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return open_in_directory(path, output, err);
}

int output_open_at(int dir, const char *name, bool force, struct output *ret_output,
		   struct err *err)
{
	auto_output struct output output = OUTPUT_NONE;
	int r;

	output.force = force;
	output.name = mem_string(name);
	output.dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	r = open_in_directory(name, &output, err);
	if (r < 0)
		return r;
	*ret_output = output;
	output = OUTPUT_NONE;
	return 0;
}

int output_open(const char *path, int fd, bool force, struct output *ret_output, struct err *err)
{
	auto_output struct output output = OUTPUT_NONE;
	int r = 0;

	output.force = force;
	if (strcmp(path, "-") == 0) {
		output.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (output.fd < 0)
			return err_set(err, -errno, "write the image to descriptor %d", fd);
	} else {
		r = open_file(path, &output, err);
	}
	if (r < 0)
		return r;
	*ret_output = output;
	output = OUTPUT_NONE;
	return 0;
}

/* linkat() does not replace: with force, a second name takes the place of the first. */
static int link_forced(struct output *output, const char *source)
{
	output->temporary = mem_printf(".%s.%d.partial", output->name, getpid());
	if (linkat(AT_FDCWD, source, output->dir, output->temporary, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return 0;
}

int output_commit(struct output *output, struct err *err)
{
	char source[64];
	int r = 0;

	if (output->dir < 0)
		return 0;
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", output->fd);
	if (!output->temporary && !output->force) {
		if (linkat(AT_FDCWD, source, output->dir, output->name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		return errno == EEXIST ? exists(output->name, err)
				       : err_set(err, -errno, "name the image %s", output->name);
	}
	if (!output->temporary)
		r = link_forced(output, source);
	if (r == 0 && renameat2(output->dir, output->temporary, output->dir, output->name,
				output->force ? 0 : RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == -EEXIST)
		return exists(output->name, err);
	if (r < 0)
		return err_set(err, r, "name the image %s", output->name);
	free(take_ptr(output->temporary));
	return 0;
}

void output_free(struct output *output)
{
	if (output->temporary && output->dir >= 0)
		(void)unlinkat(output->dir, output->temporary, 0);
	free(output->temporary);
	free(output->name);
	drop_fd(&output->fd);
	drop_fd(&output->dir);
	*output = OUTPUT_NONE;
}
