/* --engine-root of commands that name containers. */
#include <stddef.h>
#include <stdlib.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"

#define AT(field) offsetof(struct engine_root_settings, field)
const struct option_row engine_root_options[] = {
	ENGINE_ROOT_ROW(AT(engine_roots)),
	{ 0 },
};
#undef AT

/* Those of the environment come after them. */
void engine_roots_set(const char *const roots[])
{
	const char *set = getenv("CTCKPT_ENGINE_ROOT");
	auto_buf struct buf text = BUF_EMPTY;

	if (!roots || !roots[0])
		return;
	for (size_t i = 0; roots[i]; i++)
		buf_printf(&text, "%s%s", i ? ":" : "", roots[i]);
	if (set && *set)
		buf_printf(&text, ":%s", set);
	(void)setenv("CTCKPT_ENGINE_ROOT", text.data, 1);
}
