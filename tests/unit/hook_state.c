/* What hooks read: the state of a container, and annotations that anybody may have written. */
#include "oci/hook_state.h"

#include "core/buf.h"
#include "core/cleanup.h"
#include "unit.h"

static int parse(const char *text, struct hook_state *state, struct err *err)
{
	return hook_state_parse(text, strlen(text), state, err);
}

static void reads_a_state(struct unit *unit)
{
	auto_hook_state struct hook_state state = HOOK_STATE_NONE;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, parse("{\"ociVersion\":\"1.0.2\",\"id\":\"h1\",\"status\":\"creating\","
				"\"pid\":16460,\"bundle\":\"/b\",\"annotations\":{"
				"\"org.ctckpt.name\":\"web\",\"other\":\"x\","
				"\"org.ctckpt.auto\":\"every:2m+on-start\","
				"\"org.ctckpt.images\":\"/i\",\"org.ctckpt.keep\":\"7\","
				"\"org.ctckpt.restore\":\"/i/x.ckpt\"}}",
				&state, &err) == 0))
		return;
	EXPECT_TEXT(unit, state.id, "h1");
	EXPECT_TEXT(unit, state.bundle, "/b");
	EXPECT(unit, state.pid == 16460 && !state.is_running);
	EXPECT_TEXT(unit, hook_state_name(&state), "web");
	EXPECT_TEXT(unit, state.annotations.images, "/i");
	EXPECT_TEXT(unit, state.annotations.restore, "/i/x.ckpt");
	EXPECT(unit, state.annotations.keep == 7 && state.annotations.times.every == 120);
	EXPECT(unit, state.annotations.times.on_start && !state.annotations.times.on_signal);
}

/* As after the container's end, by crun and by runc. */
static void reads_a_state_without_process(struct unit *unit)
{
	static const char *const texts[] = { "{\"id\":\"h1\",\"pid\":0}",
					     "{\"id\":\"h1\",\"annotations\":null}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_hook_state struct hook_state state = HOOK_STATE_NONE;
		struct err err = ERR_NONE;

		EXPECT(unit, parse(texts[i], &state, &err) == 0 && state.pid == 0);
		EXPECT_TEXT(unit, hook_state_name(&state), "h1");
		EXPECT(unit, state.annotations.keep == HOOK_KEEP_DEFAULT);
		EXPECT(unit, !hook_times_are_set(&state.annotations.times));
	}
}

static void long_ids_are_no_names(struct unit *unit)
{
	auto_free char *text = mem_printf("{\"id\":\"%0128d\"}", 1);
	auto_hook_state struct hook_state state = HOOK_STATE_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, parse(text, &state, &err) == 0 && !hook_state_name(&state));
}

static void refuses(struct unit *unit)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{ "", "line 1" },
		{ "[]", "not an object" },
		{ "{}", "no valid id" },
		{ "{\"id\":7}", "no valid id" },
		{ "{\"id\":\"\"}", "no valid id" },
		{ "{\"id\":\"../x\"}", "no valid id" },
		{ "{\"id\":\"..\"}", "no valid id" },
		{ "{\"id\":\"a b\"}", "no valid id" },
		{ "{\"id\":\"a\",\"pid\":-1}", "no valid pid" },
		{ "{\"id\":\"a\",\"pid\":\"1\"}", "no valid pid" },
		{ "{\"id\":\"a\",\"pid\":4294967297}", "no valid pid" },
		{ "{\"id\":\"a\",\"annotations\":[]}", "annotations are no object" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.name\":1}}", "is not a text" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.name\":\"../x\"}}",
		  "a container cannot be called \"../x\"" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.name\":\"\"}}",
		  "a container cannot be called" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.images\":\"here\"}}",
		  "org.ctckpt.images: \"here\" is not an absolute path" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.restore\":\"\"}}",
		  "org.ctckpt.restore: \"\" is not an absolute path" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.keep\":\"0\"}}", "from 1 to" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.keep\":\"3x\"}}", "from 1 to" },
		{ "{\"id\":\"a\",\"annotations\":{\"org.ctckpt.keep\":\"-3\"}}", "from 1 to" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_hook_state struct hook_state state = HOOK_STATE_NONE;
		struct err err = ERR_NONE;

		EXPECT(unit, parse(bad[i].text, &state, &err) < 0 && !state.id);
		EXPECT(unit, strstr(err.text, bad[i].why) != NULL);
	}
}

static void reads_times(struct unit *unit)
{
	struct hook_times times = { .every = 9 };
	struct err err = ERR_NONE;

	EXPECT(unit, hook_times_parse("on-start", &times, &err) == 0 && times.on_start);
	EXPECT(unit, times.every == 0 && !times.on_signal);
	EXPECT(unit, hook_times_parse("on-signal,every:1h", &times, &err) == 0);
	EXPECT(unit, times.every == 3600 && times.on_signal && !times.on_start);
	EXPECT(unit, hook_times_parse("every:30s", &times, &err) == 0 && times.every == 30);
}

static void refuses_times(struct unit *unit)
{
	static const char *const bad[] = {
		"",
		"every",
		"every:",
		"every:0s",
		"every:30",
		"every:-1s",
		"every:30d",
		"every:30s ",
		"every:1s+",
		"+every:1s",
		"on-start on",
		"sometimes",
		"every:99999999h",
		"every:1s+every:2s",
		"every:18446744073709551617s",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hook_times times = { .every = 9 };
		struct err err = ERR_NONE;

		EXPECT(unit, hook_times_parse(bad[i], &times, &err) == ERR_USAGE);
		EXPECT(unit, times.every == 9 && strncmp(err.text, "org.ctckpt.auto: ", 17) == 0);
	}
}

static const struct unit_case cases[] = {
	UNIT_CASE(reads_a_state),	  UNIT_CASE(reads_a_state_without_process),
	UNIT_CASE(long_ids_are_no_names), UNIT_CASE(refuses),
	UNIT_CASE(reads_times),		  UNIT_CASE(refuses_times),
};

int main(void)
{
	return UNIT_RUN(cases);
}
