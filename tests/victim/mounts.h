/* For victims that mount: places in the victim's directory, and what is mounted there. */
#pragma once

#include <sys/mount.h>
#include <sys/statvfs.h>

#include "victim.h"

/* A path in the victim's directory; valid until the fourth call after it. */
static inline const char *at(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	return path;
}

static inline void make_dir(const char *name)
{
	EXPECT(mkdir(at(name), 0755) == 0 || errno == EEXIST);
}

static inline void make_file(const char *name, const char *text)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static inline void mount_at(const char *name, const char *type, unsigned long flags,
			    const char *options)
{
	make_dir(name);
	EXPECT(mount("none", at(name), type, flags, options) == 0);
}

static inline void bind_at(const char *source, const char *name)
{
	EXPECT(mount(at(source), at(name), NULL, MS_BIND, NULL) == 0);
}

static inline bool has_text(const char *name, const char *text)
{
	char found[4096] = "";
	int fd = open(at(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found) - 1);

	(void)close(fd);
	return n >= 0 && strcmp(found, text) == 0;
}

static inline unsigned long flags_of(const char *name)
{
	struct statvfs fs;

	EXPECT(statvfs(at(name), &fs) == 0);
	return fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME |
			    ST_NODIRATIME | ST_RELATIME);
}

/* How the last mount at this place is shown: "shared:1", the options, the type. */
static inline void mount_line(const char *name, char *line, size_t size)
{
	char wanted[PATH_MAX + 2];
	char found[8192];
	FILE *file = fopen("/proc/self/mountinfo", "re");

	(void)snprintf(wanted, sizeof(wanted), " %s ", at(name));
	line[0] = '\0';
	EXPECT(file != NULL);
	while (fgets(found, sizeof(found), file)) {
		if (strstr(found, wanted))
			(void)snprintf(line, size, "%s", found);
	}
	(void)fclose(file);
}

static inline bool is_mounted(const char *name)
{
	char line[8192];

	mount_line(name, line, sizeof(line));
	return line[0] != '\0';
}

/* The number behind "shared:" or "master:"; 0 if there is none. */
static inline int group_of(const char *name, const char *word)
{
	char line[8192];
	const char *found;

	mount_line(name, line, sizeof(line));
	found = strstr(line, word);
	return found ? atoi(found + strlen(word)) : 0;
}
