/* The fields of a record, each bound to the class of questions (policy/classes.h) that decides what
 * comes of it, or to the reason why nobody has to. A field without a line does not compile: the
 * sizes of those that have one must add up to the record's, and nothing stands there twice.
 *
 *	#define EVENT_FIELDS(FIELD, TAIL, rec)
 *		FIELD(rec, count, FIELD_FREE)
 *		FIELD(rec, reserved, FIELD_FORM)
 *		TAIL(rec, path, CLASS_FILE)
 *	FIELDS_OF(event, struct event_rec, EVENT_FIELDS);
 *
 * makes `event_fields`, for the kind's table. TAIL: what stands behind the struct. */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "policy/classes.h"
#include "policy/plan.h"

enum field_use {
	FIELD_CLASSES = CLASS_COUNT - 1, /* up to here: enum policy_class */
	FIELD_FORM,	/* a length, a flag of the format, zero: checked, and gives nothing */
	FIELD_LINK,	/* the id of another record */
	FIELD_FREE,	/* any program may have it, whoever runs it */
	FIELD_TIGHTENS, /* it only takes from the task: without it, there is no restore */
};

struct kind_field {
	const char *name; /* NULL: the end of the table */
	int use;	  /* enum policy_class or enum field_use */
};

#define FIELD_SIZE(record, field, use) +sizeof(((record *)0)->field)
#define FIELD_ONCE(record, field, use) char field;
#define FIELD_ROW(record, field, use)  { #field, use },
#define FIELD_NOTHING(record, field, use)

#define FIELDS_OF(kind, record, LIST)                                                              \
	struct kind##_fields_once {                                                                \
		LIST(FIELD_ONCE, FIELD_ONCE, record)                                               \
	};                                                                                         \
	static_assert(0 LIST(FIELD_SIZE, FIELD_NOTHING, record) == sizeof(record),                 \
		      "every field of " #record " needs a rule");                                  \
	static const struct kind_field kind##_fields[] = { LIST(FIELD_ROW, FIELD_ROW,              \
								record){ NULL, 0 } }
