/* Members of seccomp profiles. See profile.h. */
#include "core/profile.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/scan.h"

int profile_check_keys(const struct json *object, const char *const known[], const char *where,
		       struct err *err)
{
	const char *unknown = json_holds_object(object) ? json_unknown_key(object, known) : NULL;

	if (!json_holds_object(object))
		return err_set(err, ERR_USAGE, "%s is not an object", where);
	return unknown ? err_set(err, ERR_USAGE, "%s: %s is not supported", where, unknown) : 0;
}

int profile_number(const struct json *object, const char *key, uint64_t max, uint64_t *ret_number,
		   struct err *err)
{
	const struct json *value = json_get(object, key);
	uint64_t number = 0;

	if (!value || json_holds_nothing(value))
		return 0;
	if (!json_get_u64(value, &number) || number > max)
		return err_set(err, ERR_USAGE, "%s is out of range", key);
	*ret_number = number;
	return 0;
}

int profile_errno(const struct json *object, const char *number_key, const char *name_key,
		  uint64_t *ret_number, struct err *err)
{
	const char *name = json_get_string(json_get(object, name_key));
	bool is_number =
	    json_get(object, number_key) && !json_holds_nothing(json_get(object, number_key));

	*ret_number = EPERM;
	if (is_number || !name || *name == '\0')
		return profile_number(object, number_key, 4095, ret_number, err);
	if (strcmp(name, "ENOSYS") == 0)
		*ret_number = ENOSYS;
	else if (strcmp(name, "EPERM") != 0)
		return err_set(err, ERR_USAGE, "%s %s: give the number as %s", name_key, name,
			       number_key);
	return 0;
}

/* ---- which rules are meant ---- */

static bool holds(const struct json *list, const char *text)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const char *element = json_get_string(json_element(list, i));

		if (element && strcmp(element, text) == 0)
			return true;
	}
	return false;
}

/* "5.15": is this kernel at least that? */
static int compare_kernel(const struct json *value, bool *ret_is_new, struct err *err)
{
	const char *wanted = json_get_string(value);
	struct utsname name;
	const char *have = name.release;
	uint64_t wanted_parts[2];
	uint64_t have_parts[2];

	if (uname(&name) < 0)
		return err_set(err, -errno, "ask for the kernel's version");
	if (!wanted || !scan_number(&wanted, 10, UINT32_MAX, &wanted_parts[0]) ||
	    !scan_char(&wanted, '.') || !scan_number(&wanted, 10, UINT32_MAX, &wanted_parts[1]))
		return err_set(err, ERR_USAGE, "minKernel is not a version");
	if (!scan_number(&have, 10, UINT32_MAX, &have_parts[0]) || !scan_char(&have, '.') ||
	    !scan_number(&have, 10, UINT32_MAX, &have_parts[1]))
		return err_set(err, ERR_HOST, "this kernel's version is %s", name.release);
	*ret_is_new = have_parts[0] > wanted_parts[0] ||
		      (have_parts[0] == wanted_parts[0] && have_parts[1] >= wanted_parts[1]);
	return 0;
}

int profile_match(const struct json *condition, bool is_include, bool *ret_matches, struct err *err)
{
	static const char *const known[] = { "caps", "arches", "minKernel", NULL };
	const struct json *arches = json_get(condition, "arches");
	bool has_caps = json_count(json_get(condition, "caps")) > 0;
	bool is_new = true;
	int r;

	*ret_matches = is_include;
	if (!condition || json_holds_nothing(condition))
		return 0;
	r = profile_check_keys(condition, known, is_include ? "includes" : "excludes", err);
	if (r == 0 && json_get(condition, "minKernel"))
		r = compare_kernel(json_get(condition, "minKernel"), &is_new, err);
	if (r < 0)
		return r;
	if (is_include)
		*ret_matches = is_new && (json_count(arches) == 0 || holds(arches, "amd64"));
	else
		*ret_matches = has_caps || holds(arches, "amd64") ||
			       (json_get(condition, "minKernel") && is_new);
	return 0;
}
