/* What a hunter knows: images to begin with, and the reasons, or checks, that have a case already.
 * See hunt.c. */
#pragma once

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "records.h"

#ifndef CHECKS_MAX
#define CHECKS_MAX 1
static int checks_off;
static unsigned char checks_own[CHECKS_MAX];
static unsigned char *checks_fired = checks_own;
#endif

enum {
	VAIN_MAX = 60, /* a check that fired so often for nothing is not what matters */
};

struct base {
	char *name;
	struct edited_image image;
};

struct hunt {
	struct base *bases;
	size_t base_count;
	char **reasons; /* words of refusals, without numbers and names */
	size_t reason_count;
	unsigned char is_met[CHECKS_MAX];
	unsigned short in_vain[CHECKS_MAX]; /* fired, and made no difference */
	uint64_t random;
	FILE *cases;
};

static inline uint64_t chance(struct hunt *hunt, uint64_t below)
{
	hunt->random ^= hunt->random << 13;
	hunt->random ^= hunt->random >> 7;
	hunt->random ^= hunt->random << 17;
	return below ? hunt->random % below : 0;
}

static inline int load_bases(struct hunt *hunt, const char *dir)
{
	auto_closedir DIR *list = opendir(dir);
	const struct dirent *entry;

	while (list && (entry = readdir(list))) {
		auto_free char *path = mem_printf("%s/%s", dir, entry->d_name);
		struct base base = { .image = EDITED_IMAGE_NONE };

		if (!strstr(entry->d_name, ".zst") || !edited_load(&base.image, path))
			continue;
		base.name = mem_string(entry->d_name);
		array_grow(hunt->bases, hunt->base_count);
		hunt->bases[hunt->base_count++] = base;
	}
	return hunt->base_count > 0 ? 0 : 2;
}

static inline const struct base *find_base(const struct hunt *hunt, const char *name)
{
	for (size_t i = 0; i < hunt->base_count; i++) {
		if (strcmp(hunt->bases[i].name, name) == 0)
			return &hunt->bases[i];
	}
	return NULL;
}

/* ---- reasons ---- */

/* Without the place, numbers, and what stands in quotes or is a path. */
static inline char *reason_of(const char *verdict)
{
	char *reason = mem_string(verdict);
	char *to = reason;

	for (const char *at = reason; *at; at++) {
		if (*at >= '0' && *at <= '9') {
			if (to == reason || to[-1] != '#')
				*to++ = '#';
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
	return reason;
}

static inline bool add_reason(struct hunt *hunt, const char *verdict)
{
	auto_free char *reason = reason_of(verdict);

	for (size_t i = 0; i < hunt->reason_count; i++) {
		if (strcmp(hunt->reasons[i], reason) == 0)
			return false;
	}
	array_grow(hunt->reasons, hunt->reason_count);
	hunt->reasons[hunt->reason_count++] = take_ptr(reason);
	return true;
}

/* Would the reader say something else without this check? In a process of its own: it may crash. */
static inline bool depends_on(const struct edited_image *image, const char *verdict, int check)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		auto_free char *other = NULL;

		(void)alarm(20);
		checks_off = check;
		other = edited_verdict(image);
		_exit(strcmp(other, verdict) == 0 ? 0 : 1);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0)
		;
	return child > 0 && status != 0;
}

static inline bool add_checks(struct hunt *hunt, const struct edited_image *image,
			      const char *verdict)
{
	unsigned char fired[CHECKS_MAX];
	bool is_new = false;

	memcpy(fired, checks_fired, sizeof(fired));
	for (int i = 0; i < CHECKS_MAX; i++) {
		if (!fired[i] || hunt->is_met[i] || hunt->in_vain[i] > VAIN_MAX)
			continue;
		if (!depends_on(image, verdict, i)) {
			hunt->in_vain[i]++;
			continue;
		}
		hunt->is_met[i] = 1;
		is_new = true;
	}
	return is_new;
}

/* Takes the case, if it is one for something new. */
static inline bool judge(struct hunt *hunt, const struct edited_image *image, bool may_be_sound,
			 char **ret_verdict)
{
	auto_free char *verdict = NULL;
	bool is_new;

	memset(checks_fired, 0, CHECKS_MAX);
	verdict = edited_verdict(image);
	if ((verdict[0] == '\0' && !may_be_sound) || strpbrk(verdict, "\t\n")) {
		*ret_verdict = take_ptr(verdict);
		return false;
	}
	is_new = add_checks(hunt, image, verdict);
	if (CHECKS_MAX == 1)
		is_new = add_reason(hunt, verdict);
	*ret_verdict = take_ptr(verdict);
	return is_new;
}

static inline bool attempt(struct hunt *hunt, const struct base *base, const char *edits,
			   bool may_be_sound, char **ret_verdict)
{
	auto_edited struct edited_image image = EDITED_IMAGE_NONE;

	edited_copy(&image, &base->image);
	if (!edited_apply_all(&image, edits) || !judge(hunt, &image, may_be_sound, ret_verdict))
		return false;
	(void)fprintf(hunt->cases, "%s\t%s\t%s\n", base->name, edits,
		      (*ret_verdict)[0] ? *ret_verdict : EDITED_SOUND);
	(void)fflush(hunt->cases);
	return true;
}
