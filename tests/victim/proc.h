/* What /proc says, for victims that compare it before and after. */
#pragma once

#include "victim.h"

/* The whole file; owned by the caller. NULs stay; `ret_size` may be NULL. */
static inline char *proc_text(const char *path, size_t *ret_size)
{
	size_t size = 0;
	char *text = malloc(1 << 20);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	EXPECT(text && fd >= 0);
	while (size < (1 << 20) - 1 && (n = read(fd, text + size, (1 << 20) - 1 - size)) > 0)
		size += (size_t)n;
	EXPECT(n == 0);
	text[size] = '\0';
	(void)close(fd);
	if (ret_size)
		*ret_size = size;
	return text;
}

/* The lines of a file that begin with one of `keys`, which NULL ends. */
static inline char *proc_lines(const char *path, const char *const keys[])
{
	char *text = proc_text(path, NULL);
	char *lines = calloc(1, strlen(text) + 1);
	char *save = NULL;

	EXPECT(lines);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (size_t i = 0; keys[i]; i++) {
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				(void)strcat(strcat(lines, line), "\n");
		}
	}
	free(text);
	return lines;
}

/* The target of a link; owned by the caller. */
static inline char *proc_link(const char *path)
{
	char *target = calloc(1, PATH_MAX);

	EXPECT(target && readlink(path, target, PATH_MAX - 1) > 0);
	return target;
}

static inline void expect_same_text(const char *what, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		victim_fail("%s was %s and is %s", what, before, after);
}
