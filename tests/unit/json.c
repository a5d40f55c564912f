/* JSON: what is refused, and how hostile strings are written. */
#include "core/json.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "unit.h"

static int parse(const char *text, struct json **ret_value, struct err *err)
{
	return json_parse(text, strlen(text), ret_value, err);
}

static void reads(struct unit *unit)
{
	static const char *const known[] = { "a", "b", "t", NULL };
	auto_json struct json *value = NULL;
	struct err err = ERR_NONE;
	uint64_t u = 9;
	int64_t i = 9;
	bool b = false;

	if (!EXPECT(unit,
		    parse("{\"a\": [1, -2, \"x\"], \"t\": true, \"z\": 1.5}", &value, &err) == 0))
		return;
	EXPECT(unit, json_holds_object(value) && json_count(value) == 3);
	EXPECT(unit,
	       json_holds_array(json_get(value, "a")) && json_count(json_get(value, "a")) == 3);
	EXPECT(unit, json_get_u64(json_element(json_get(value, "a"), 0), &u) && u == 1);
	EXPECT(unit, !json_get_u64(json_element(json_get(value, "a"), 1), &u) && u == 1);
	EXPECT(unit, json_get_i64(json_element(json_get(value, "a"), 1), &i) && i == -2);
	EXPECT_TEXT(unit, json_get_string(json_element(json_get(value, "a"), 2)), "x");
	EXPECT(unit, json_element(json_get(value, "a"), 3) == NULL);
	EXPECT(unit, json_get_bool(json_get(value, "t"), &b) && b);
	EXPECT(unit, !json_get_i64(json_get(value, "z"), &i));
	EXPECT(unit, !json_get_i64(json_get(value, "none"), &i));
	EXPECT(unit, json_get(value, "none") == NULL && !json_get_string(NULL));
	EXPECT_TEXT(unit, json_unknown_key(value, known), "z");
}

static void refuses(struct unit *unit)
{
	static const char *const bad[] = {
		"",	    "{",	"{} {}", "{\"a\":1,\"a\":2}",	 "\"\\u0000\"",
		"\"\xff\"", "{\"a\":}", "[1,]",	 "99999999999999999999", "\"\xed\xa0\x80\"",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json *value = NULL;
		struct err err = ERR_NONE;

		EXPECT(unit, parse(bad[i], &value, &err) == ERR_FAILED && value == NULL);
		EXPECT(unit, strncmp(err.text, "line ", 5) == 0);
	}
}

static void refuses_nesting(struct unit *unit)
{
	auto_free char *deep = malloc(100001);
	struct json *value = NULL;
	struct err err = ERR_NONE;

	memset(deep, '[', 100000);
	deep[100000] = '\0';
	EXPECT(unit, parse(deep, &value, &err) == ERR_FAILED);
}

static void writes(struct unit *unit)
{
	auto_json struct json *value = json_new_object();
	struct json *list = json_new_array();
	auto_free char *text = NULL;

	json_put_string(value, "s", "a\"\n\xff\xc3\xa4\xe2\x82");
	json_put_string(value, "n", NULL);
	json_put_u64(value, "big", UINT64_MAX);
	json_put_i64(value, "i", INT64_MIN);
	json_put_bool(value, "b", false);
	json_add_string(list, "x");
	json_add_string(list, "y");
	json_put(value, "l", list);
	text = json_print(value, false);
	EXPECT_TEXT(
	    unit, text,
	    "{\"s\": \"a\\\"\\n\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\", \"n\": null, "
	    "\"big\": \"18446744073709551615\", \"i\": -9223372036854775808, \"b\": false, "
	    "\"l\": [\"x\", \"y\"]}");
}

static const struct unit_case cases[] = {
	UNIT_CASE(reads),
	UNIT_CASE(refuses),
	UNIT_CASE(refuses_nesting),
	UNIT_CASE(writes),
};

int main(void)
{
	return UNIT_RUN(cases);
}
