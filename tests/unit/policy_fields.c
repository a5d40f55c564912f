/* The fields of records and the classes that decide on them. */
#include <string.h>

#include "kind/kind.h"
#include "policy_check.h"

static bool is_whole(const struct kind_field *fields)
{
	size_t count = 0;

	for (; fields[count].name; count++) {
		if (fields[count].use < 0 || fields[count].use > FIELD_TIGHTENS)
			return false;
	}
	return count > 0;
}

static bool has_class(const struct kind_field *fields)
{
	for (; fields->name; fields++) {
		if (fields->use < CLASS_COUNT)
			return true;
	}
	return false;
}

int main(void)
{
	struct checks checks = { 0 };
	bool are_whole = true;
	bool do_ask = true;

	for (size_t i = 0; kinds[i]; i++) {
		if (!kinds[i]->fields)
			continue;
		are_whole &= is_whole(kinds[i]->fields);
		if (has_class(kinds[i]->fields) && !kinds[i]->ask) {
			(void)printf("# %s does not ask\n", kinds[i]->name);
			do_ask = false;
		}
	}
	check_case(&checks, "every field has a rule", are_whole);
	check_case(&checks, "whoever has a class for a field asks", do_ask);
	return checks.failed != 0;
}
