/* What users see: texts made safe for terminals, errors, statistics, progress. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"
#include "core/json.h"
#include "ctckpt/ctckpt.h"

/* Texts may come from a hostile task or image: what a terminal could take for a command is
 * printed as \xNN. */
void print_text(FILE *out, const char *text);
/* The same, filled up with spaces to `width` characters. */
void print_column(FILE *out, const char *text, int width);
/* "4.0 KiB"; `text` has room for FORMAT_SIZE bytes. */
enum { FORMAT_SIZE = 24 };
const char *format_bytes(char *text, uint64_t bytes);
/* "3.2 ms" from microseconds. */
const char *format_time(char *text, uint64_t time);

void print_error(const struct invocation *inv, const struct err *err, int status);
/* One line a figure, in the words of CRIU. */
void print_stats(FILE *out, const struct ctckpt_stats *stats);
struct json *stats_to_json(const struct ctckpt_stats *stats); /* owned by the caller */
/* Indented, with a newline. */
void print_json(FILE *out, const struct json *value);

/* A bar on stderr for what takes long, where that is a terminal; a line of JSON a step to `fd`. */
struct progress {
	int fd; /* 0: none */
	bool is_shown;
	bool has_bar;
	struct timespec start;
	struct timespec last;
};
#define PROGRESS_NONE ((struct progress){ .fd = 0 })
int progress_start(struct progress *progress, int fd, struct err *err);
/* A ctckpt_progress_fn. */
void progress_step(void *progress, const struct ctckpt_progress *step);
void progress_end(struct progress *progress);
#define auto_progress __attribute__((cleanup(progress_end)))
