/* A policy file, the invoker's or, if the first byte is odd, the administrator's: it is one, or has
 * an error that says where; then rules are looked for, and a plan is compared with the same bytes.
 */
#include "fuzz.h"

#include "ctckpt/policy.h"
#include "policy/language.h"
#include "policy/plan_private.h"

static const struct host_facts facts = { .uid = 1000, .gid = 1000, .known_caps = 0x1ffffffffff };

static void ask(struct plan *plan, const char *path)
{
	plan_name_task(plan, 1, 1, 7, "nginx");
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		plan_ask(plan, &(struct question){ .class = class,
						   .id = 1,
						   .saved = class == CLASS_RT_PRIORITY,
						   .path = path,
						   .type = 0100000,
						   .is_descriptor = true });
	}
	plan_settle(plan);
}

static void decide(const struct policy *policy, const char *text, size_t size)
{
	struct plan *plan = plan_new(NULL, policy, &facts);
	struct err err = ERR_NONE;

	ask(plan, "/var/log/nginx/access.log");
	if (plan_hold_text(plan, text, size, &err) < 0 && err.text[0] == '\0')
		abort();
	json_free(plan_policy_json(plan));
	plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy *preset = NULL;
	struct policy_file *file = NULL;
	struct err err = ERR_NONE;
	struct policy both;
	bool is_administrator;
	char *text;
	int r;

	if (size < 1 || policy_preset("map", &preset, &err) < 0)
		return 0;
	is_administrator = data[0] & 1;
	size--;
	text = fuzz_copy(data + 1, size);
	r = policy_file_parse(
	    "p", text, size, is_administrator ? POLICY_ADMINISTRATOR : POLICY_INVOKER, &file, &err);
	if (r != 0 && (r != ERR_USAGE || strncmp(err.text, "p:", 2) != 0))
		abort();
	both = *preset;
	if (r == 0 && is_administrator)
		both.also = policy_file_policy(file);
	else if (r == 0)
		both = *policy_file_policy(file);
	decide(&both, text, size);
	policy_file_free(file);
	free(text);
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	static const char *const parts[] = {
		"\"extends\": \"map\"",
		"\"caps\": \"drop\"",
		"\"caps\": {\"bounding\": {\"action\": \"clamp\", \"allow\": [\"kill\"]}}",
		"\"rlimits\": {\"nofile.soft\": {\"action\": \"clamp\", \"max\": 9}}",
		"\"net\": {\"tcp\": \"keep\"}",
		"\"files\": [{\"match\": {\"path\": \"/var/**\", \"mode\": \"w\"}, \"action\": "
		"\"drop\"}]",
		"\"ids\": {\"uid\": [{\"image\": 0, \"count\": 1, \"to\": \"invoker\"}]}",
		"\"nice\": [{\"match\": {\"task\": {\"pid\": 7}}, \"action\": \"clamp\", \"min\": "
		"5}]",
	};

	(void)buf_append(seed, fuzz_random(random) % 2 ? "1" : "0", 1);
	buf_printf(seed, "{\"ctckpt_policy\": 1");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (fuzz_random(random) % 3 == 0)
			buf_printf(seed, ",\n%s", parts[i]);
	}
	buf_printf(seed, "}");
}
