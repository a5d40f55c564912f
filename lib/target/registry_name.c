/* Names for containers that were given none. See target.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "target/registry.h"

static const char *const adjectives[] = {
	"amber", "bold",  "brisk", "calm",  "clear", "crisp", "dry",   "early",
	"fair",	 "fond",  "fresh", "gold",  "grand", "green", "keen",  "kind",
	"late",	 "light", "loyal", "lucky", "mild",  "neat",  "noble", "plain",
	"quick", "quiet", "rapid", "sharp", "solid", "swift", "warm",  "wise",
};
static const char *const nouns[] = {
	"anchor", "badger", "beacon", "birch", "brook",	 "cedar", "comet",  "crane",
	"delta",  "ember",  "falcon", "fern",  "finch",	 "fjord", "grove",  "harbor",
	"heron",  "island", "lark",   "maple", "meadow", "otter", "pebble", "pine",
	"raven",  "reef",   "river",  "robin", "spruce", "stone", "tern",   "willow",
};
enum {
	ADJECTIVES = sizeof(adjectives) / sizeof(adjectives[0]),
	NOUNS = sizeof(nouns) / sizeof(nouns[0]),
	TRIES_WITHOUT_NUMBER = 8,
	TRIES = 64,
};

/* A container that was restored from a bundle has its state until it is deleted. */
static bool is_free(int dir, const char *name)
{
	static const char *const kinds[] = { "json", "oci" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		auto_free char *file = mem_printf("%s.%s", name, kinds[i]);

		if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			return false;
	}
	return true;
}

bool registry_name_is_free(const char *name)
{
	for (size_t i = 0; i < REGISTRY_DIRECTORIES; i++) {
		auto_close int dir = -1;
		struct err ignored;
		int r = registry_open_nth(i, &dir, &ignored);

		if (r != -ENOENT && (r < 0 || !is_free(dir, name)))
			return false;
	}
	return true;
}

int registry_new_name(char **ret_name, struct err *err)
{
	auto_close int dir = -1;
	int r = registry_open(true, &dir, err);

	if (r < 0)
		return r;
	for (int i = 0; i < TRIES; i++) {
		auto_free char *name = NULL;
		unsigned int random[3];

		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return err_set(err, -errno, "get random bytes");
		name = mem_printf("%s-%s", adjectives[random[0] % ADJECTIVES],
				  nouns[random[1] % NOUNS]);
		if (i >= TRIES_WITHOUT_NUMBER) {
			char *numbered = mem_printf("%s-%u", name, random[2] % 10000);

			free(name);
			name = numbered;
		}
		if (is_free(dir, name)) {
			*ret_name = take_ptr(name);
			return 0;
		}
	}
	return err_set(err, ERR_FAILED, "no free name was found");
}
