/* The state JSON of hooks and our annotations. See hook_state.h. */
#include "oci/hook_state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "target/target.h"

enum { ID_MAX = 256, YEAR_SECONDS = 366 * 24 * 3600, KEEP_MAX = 100000 };

/* ---- annotations ---- */

bool hook_times_are_set(const struct hook_times *times)
{
	return times->on_start || times->on_signal || times->every > 0;
}

static bool scan_interval(const char **at, uint64_t *ret_seconds)
{
	uint64_t count;
	uint64_t unit;

	if (!scan_text(at, "every:") || !scan_number(at, 10, YEAR_SECONDS, &count))
		return false;
	if (scan_char(at, 's'))
		unit = 1;
	else if (scan_char(at, 'm'))
		unit = 60;
	else if (scan_char(at, 'h'))
		unit = 3600;
	else
		return false;
	*ret_seconds = count * unit;
	return count > 0 && *ret_seconds <= YEAR_SECONDS;
}

int hook_times_parse(const char *text, struct hook_times *ret_times, struct err *err)
{
	struct hook_times times = { .every = 0 };
	const char *at = text;

	do {
		bool is_known = true;

		if (scan_text(&at, "on-start"))
			times.on_start = true;
		else if (scan_text(&at, "on-signal"))
			times.on_signal = true;
		else
			is_known = times.every == 0 && scan_interval(&at, &times.every);
		if (!is_known || (*at && *at != ',' && *at != '+')) {
			(void)err_set(err, ERR_USAGE, "org.ctckpt.auto: \"%.80s\"", text);
			return err_hint(err, "it is a list of every:30s (or m, h), on-start and "
					     "on-signal, joined by +");
		}
	} while (scan_char(&at, '+') || scan_char(&at, ','));
	*ret_times = times;
	return 0;
}

static int parse_keep(const char *text, uint32_t *ret_keep, struct err *err)
{
	const char *at = text;
	uint64_t keep;

	if (!scan_number(&at, 10, KEEP_MAX, &keep) || *at || keep == 0)
		return err_set(err, ERR_USAGE,
			       "org.ctckpt.keep: \"%.80s\" is not a number from 1 to %d", text,
			       KEEP_MAX);
	*ret_keep = (uint32_t)keep;
	return 0;
}

static int parse_caps(const char *text, struct hook_annotations *annotations, struct err *err)
{
	const char *at = text;
	uint64_t caps;

	if (!scan_number(&at, 16, UINT64_MAX, &caps) || *at)
		return err_set(err, ERR_USAGE, "org.ctckpt.restore.caps: \"%.80s\"", text);
	for (size_t i = 0; i < OCI_CAP_SETS; i++)
		annotations->caps[i] = caps;
	return 0;
}

static bool scan_groups(const char **at, struct hook_annotations *annotations)
{
	do {
		uint64_t gid;

		if (!scan_number(at, 10, UINT32_MAX - 1, &gid))
			return false;
		array_grow(annotations->gids, annotations->gid_count);
		annotations->gids[annotations->gid_count++] = (uint32_t)gid;
	} while (scan_char(at, '+'));
	return true;
}

/* Whose ids are root's may get all that is in the bounding set. */
static int parse_user(const char *text, struct hook_annotations *annotations, struct err *err)
{
	static const enum oci_cap_set sets[] = { OCI_PERMITTED, OCI_INHERITABLE, OCI_AMBIENT };
	const char *at = text;
	uint64_t uid;
	bool is_valid = scan_number(&at, 10, UINT32_MAX - 1, &uid) && scan_char(&at, ':') &&
			scan_groups(&at, annotations);

	for (size_t i = 0; is_valid && i < sizeof(sets) / sizeof(sets[0]); i++) {
		uint64_t caps;

		is_valid = scan_char(&at, ':') && scan_number(&at, 16, UINT64_MAX, &caps);
		if (is_valid && uid != 0)
			annotations->caps[sets[i]] = caps;
	}
	if (!is_valid || *at)
		return err_set(err, ERR_USAGE, "org.ctckpt.restore.user: \"%.80s\"", text);
	annotations->uid = (uint32_t)uid;
	annotations->caps[OCI_EFFECTIVE] = annotations->caps[OCI_PERMITTED];
	return 0;
}

char *hook_user_print(uint32_t uid, const uint32_t *gids, size_t gid_count, const uint64_t *caps)
{
	auto_buf struct buf text = BUF_EMPTY;

	buf_printf(&text, "%u:", uid);
	for (size_t i = 0; i < gid_count; i++)
		buf_printf(&text, "%s%u", i ? "+" : "", gids[i]);
	buf_printf(&text, ":%llx:%llx:%llx", (unsigned long long)caps[OCI_PERMITTED],
		   (unsigned long long)caps[OCI_INHERITABLE],
		   (unsigned long long)caps[OCI_AMBIENT]);
	return take_ptr(text.data);
}

static int parse_path(const char *key, const char *text, char **ret_path, struct err *err)
{
	if (text[0] != '/' || strlen(text) >= PATH_MAX)
		return err_set(err, ERR_USAGE, "%s: \"%.200s\" is not an absolute path", key, text);
	*ret_path = mem_string(text);
	return 0;
}

static int parse_name(const char *text, char **ret_name, struct err *err)
{
	if (!registry_name_is_valid(text))
		return err_set(err, ERR_USAGE,
			       "org.ctckpt.name: a container cannot be called \"%.80s\"", text);
	*ret_name = mem_string(text);
	return 0;
}

/* NULL: it is not there. */
static int get_text(const struct json *object, const char *key, const char **ret_text,
		    struct err *err)
{
	const struct json *value = json_get(object, key);

	*ret_text = json_get_string(value);
	if (value && !*ret_text)
		return err_set(err, ERR_USAGE, "%s is not a text", key);
	return 0;
}

static int parse_annotations(const struct json *object, struct hook_annotations *annotations,
			     struct err *err)
{
	const char *name = NULL;
	const char *times = NULL;
	const char *images = NULL;
	const char *keep = NULL;
	const char *restore = NULL;
	const char *caps = NULL;
	const char *user = NULL;
	int r = get_text(object, "org.ctckpt.name", &name, err);

	if (r == 0)
		r = get_text(object, "org.ctckpt.auto", &times, err);
	if (r == 0)
		r = get_text(object, "org.ctckpt.images", &images, err);
	if (r == 0)
		r = get_text(object, "org.ctckpt.keep", &keep, err);
	if (r == 0)
		r = get_text(object, "org.ctckpt.restore", &restore, err);
	if (r == 0)
		r = get_text(object, "org.ctckpt.restore.caps", &caps, err);
	if (r == 0)
		r = get_text(object, "org.ctckpt.restore.user", &user, err);
	if (r == 0 && name)
		r = parse_name(name, &annotations->name, err);
	if (r == 0 && times)
		r = hook_times_parse(times, &annotations->times, err);
	if (r == 0 && images)
		r = parse_path("org.ctckpt.images", images, &annotations->images, err);
	if (r == 0 && keep)
		r = parse_keep(keep, &annotations->keep, err);
	if (r == 0 && restore)
		r = parse_path("org.ctckpt.restore", restore, &annotations->restore, err);
	if (r == 0 && caps)
		r = parse_caps(caps, annotations, err);
	if (r == 0 && user)
		r = parse_user(user, annotations, err);
	return r;
}

int hook_annotations_parse(const struct json *object, struct hook_annotations *ret_annotations,
			   struct err *err)
{
	auto_hook_annotations struct hook_annotations annotations = { .keep = HOOK_KEEP_DEFAULT };
	int r = 0;

	if (object && !json_holds_object(object) && !json_holds_nothing(object))
		return err_set(err, ERR_USAGE, "annotations are no object");
	if (object && json_holds_object(object))
		r = parse_annotations(object, &annotations, err);
	if (r < 0)
		return r;
	*ret_annotations = annotations;
	annotations = (struct hook_annotations){ .name = NULL };
	return 0;
}

void hook_annotations_free(struct hook_annotations *annotations)
{
	free(annotations->name);
	free(annotations->images);
	free(annotations->restore);
	free(annotations->gids);
	*annotations = (struct hook_annotations){ .name = NULL };
}

/* ---- the state ---- */

static bool id_is_valid(const char *id)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-.";
	size_t length = strspn(id, allowed);

	return length > 0 && length <= ID_MAX && id[length] == '\0' && id[0] != '.';
}

static int parse_state(const struct json *object, struct hook_state *state, struct err *err)
{
	const char *id = json_get_string(json_get(object, "id"));
	const char *bundle = json_get_string(json_get(object, "bundle"));
	const char *status = json_get_string(json_get(object, "status"));
	const struct json *pid = json_get(object, "pid");
	int64_t number = 0;

	if (!id || !id_is_valid(id))
		return err_set(err, ERR_USAGE, "the state has no valid id");
	if (pid && (!json_get_i64(pid, &number) || number < 0 || number > INT_MAX))
		return err_set(err, ERR_USAGE, "the state has no valid pid");
	state->id = mem_string(id);
	state->pid = (pid_t)number;
	state->is_running = status && strcmp(status, "running") == 0;
	if (bundle && bundle[0] == '/' && strlen(bundle) < PATH_MAX)
		state->bundle = mem_string(bundle);
	return hook_annotations_parse(json_get(object, "annotations"), &state->annotations, err);
}

int hook_state_parse(const char *text, size_t size, struct hook_state *ret_state, struct err *err)
{
	auto_hook_state struct hook_state state = HOOK_STATE_NONE;
	auto_json struct json *object = NULL;
	int r = json_parse(text, size, &object, err);

	if (r == 0 && !json_holds_object(object))
		r = err_set(err, ERR_USAGE, "not an object");
	if (r == 0)
		r = parse_state(object, &state, err);
	if (r < 0)
		return err_wrap(err, "the container's state");
	*ret_state = state;
	state = HOOK_STATE_NONE;
	return 0;
}

void hook_state_free(struct hook_state *state)
{
	free(state->id);
	free(state->bundle);
	hook_annotations_free(&state->annotations);
	*state = HOOK_STATE_NONE;
}

const char *hook_state_name(const struct hook_state *state)
{
	if (state->annotations.name)
		return state->annotations.name;
	return registry_name_is_valid(state->id) ? state->id : NULL;
}
