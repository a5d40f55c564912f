/* Parses a command line by the tables of cli.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "core/buf.h"

struct parser {
	struct invocation *inv;
	char **next;	    /* the words not yet looked at */
	void *settings;	    /* of inv->command; owned by the caller of cli_parse */
	bool only_operands; /* behind -- */
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

static bool row_has_name(const struct option_row *row, const char *name, size_t length)
{
	return strlen(row->name) == length && strncmp(row->name, name, length) == 0;
}

/* Looks through the command's own options, then the common ones. Tells where the row's
 * destination starts from. */
static const struct option_row *find_row(struct parser *parser, const char *name, size_t length,
					 char letter, void **ret_base)
{
	const struct command *command = parser->inv->command;
	const struct option_row *tables[] = { command ? command->options : NULL, common_options };
	void *bases[] = { parser->settings, &parser->inv->common };

	for (size_t i = 0; i < 2; i++) {
		for (const struct option_row *row = tables[i]; row && row->name; row++) {
			if (name ? row_has_name(row, name, length) : row->letter == letter) {
				*ret_base = bases[i];
				return row;
			}
		}
	}
	return NULL;
}

static int parse_number(const char *name, const char *text, int *ret_number, struct err *err)
{
	char *end = NULL;
	long number = 0;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < 1 || number > INT_MAX)
		return err_set(err, ERR_USAGE, "--%s: %s is not a positive number", name, text);
	*ret_number = (int)number;
	return 0;
}

static int parse_word(const struct option_row *row, const char *text, int *ret_word,
		      struct err *err)
{
	for (int i = 0; row->words[i]; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*ret_word = i;
			return 0;
		}
	}

	err_set(err, ERR_USAGE, "--%s: %s is not known", row->name, text);
	err_hint(err, "it can be");
	for (int i = 0; row->words[i]; i++) {
		size_t used = strlen(err->hint);

		(void)snprintf(err->hint + used, sizeof(err->hint) - used, "%s %s", i ? "," : "",
			       row->words[i]);
	}
	return err->code;
}

static void add_text(const char ***list, const char *text)
{
	size_t count = 0;

	while (*list && (*list)[count])
		count++;
	*list = mem_resize(*list, count + 2, sizeof(**list));
	(*list)[count] = text;
	(*list)[count + 1] = NULL;
}

static int store(const struct option_row *row, const char *text, void *base, struct err *err)
{
	void *destination = (char *)base + row->destination;
	int *number = destination;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)destination = true;
		return 0;
	case OPTION_CHOICE:
		if (*number && *number != row->value)
			return err_set(err, ERR_USAGE, "--%s contradicts an option before it",
				       row->name);
		*number = row->value;
		return 0;
	case OPTION_MAYBE:
		*(const char **)destination = text ? text : "";
		return 0;
	case OPTION_TEXT:
		*(const char **)destination = text;
		return 0;
	case OPTION_LIST:
		add_text(destination, text);
		return 0;
	case OPTION_NUMBER:
		return parse_number(row->name, text, number, err);
	case OPTION_WORD:
		return parse_word(row, text, number, err);
	}
	return 0;
}

/* --name, --name=text, --name text */
static int parse_long(struct parser *parser, const char *word, struct err *err)
{
	const char *name = word + 2;
	size_t length = strcspn(name, "=");
	const char *text = name[length] ? name + length + 1 : NULL;
	void *base = NULL;
	const struct option_row *row = find_row(parser, name, length, 0, &base);

	if (!row)
		return err_set(err, ERR_USAGE, "there is no option --%.*s", (int)length, name);
	if (text && !row->argument)
		return err_set(err, ERR_USAGE, "--%s takes no argument", row->name);
	if (!text && row->argument && row->type != OPTION_MAYBE) {
		text = *parser->next;
		if (!text)
			return err_set(err, ERR_USAGE, "--%s needs %s", row->name, row->argument);
		parser->next++;
	}
	return store(row, text, base, err);
}

/* -d, -dv, -o text, -otext */
static int parse_letters(struct parser *parser, const char *word, struct err *err)
{
	for (const char *letter = word + 1; *letter; letter++) {
		void *base = NULL;
		const struct option_row *row = find_row(parser, NULL, 0, *letter, &base);
		const char *text = NULL;
		int r = 0;

		if (!row)
			return err_set(err, ERR_USAGE, "there is no option -%c", *letter);
		if (row->argument) {
			text = letter[1] ? letter + 1 : *parser->next;
			if (!text)
				return err_set(err, ERR_USAGE, "-%c needs %s", *letter,
					       row->argument);
			if (text == *parser->next)
				parser->next++;
		}
		r = store(row, text, base, err);
		if (r < 0 || text)
			return r;
	}
	return 0;
}

static int take_operand(struct parser *parser, char *word, struct err *err)
{
	struct invocation *inv = parser->inv;

	if (!inv->command) {
		inv->command = command_find(word);
		if (!inv->command)
			return err_set(err, ERR_USAGE, "there is no command %s", word);
		parser->settings = mem_alloc(1, inv->command->settings_size + 1);
		parser->only_operands = false;
		return 0;
	}

	array_grow(inv->operands, inv->operand_count);
	inv->operands[inv->operand_count++] = word;
	if (inv->command->operands_max < 0)
		parser->only_operands = true;
	return 0;
}

static int parse_word_of_line(struct parser *parser, char *word, struct err *err)
{
	if (parser->only_operands || word[0] != '-' || word[1] == '\0')
		return take_operand(parser, word, err);
	if (strcmp(word, "--") == 0) {
		parser->only_operands = true;
		return 0;
	}
	if (word[1] == '-')
		return parse_long(parser, word, err);
	return parse_letters(parser, word, err);
}

static int check_operands(struct invocation *inv, struct err *err)
{
	const struct command *command = inv->command;
	int count = (int)inv->operand_count;

	if (!command)
		return err_set(err, ERR_USAGE, "a command is needed");
	if (count < command->operands_min)
		return err_set(err, ERR_USAGE, "%s needs %s", command->name, command->operands);
	if (command->operands_max >= 0 && count > command->operands_max)
		return err_set(err, ERR_USAGE, "%s is one operand too many",
			       inv->operands[command->operands_max]);
	return 0;
}

int cli_parse(struct invocation *inv, char **argv, void **ret_settings, struct err *err)
{
	struct parser parser = { .inv = inv, .next = argv };
	int r = 0;

	while (r == 0 && *parser.next) {
		char *word = *parser.next++;

		r = parse_word_of_line(&parser, word, err);
	}
	*ret_settings = parser.settings;
	array_grow(inv->operands, inv->operand_count);
	inv->operands[inv->operand_count] = NULL;
	if (r < 0 || inv->common.help || inv->common.version)
		return r;
	return check_operands(inv, err);
}
