/* Images that are whole, and would take hours: what bounds them, or makes them cheap. */
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "image/image.h"
#include "kind/kind.h"
#include "unit.h"

/* One inotify with one watch, on "/". */
static void add_inotify(struct image_writer *writer, uint32_t id, uint32_t number)
{
	const le32 words[] = {
		le32_make(O_RDONLY), le32_make(0),	   le32_make(0),       le32_make(1),
		le32_make(number),   le32_make(IN_MODIFY), le32_make(S_IFDIR), le32_make(0),
		le32_make(2),	     le32_make(0),	   le32_make('/'),     le32_make(0),
	};

	image_writer_add(writer, kind_by_name("inotify")->tag, 1, RECORD_REQUIRED, id, words,
			 sizeof(words));
}

static int read_inotifies(unsigned int count, struct err *err)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	struct image *image = NULL;
	uint64_t offset;
	uint64_t size;
	int r;

	for (uint32_t i = 0; i < count; i++)
		add_inotify(writer, 1 + i, 1u << 20);
	r = image_writer_begin(writer, &offset, err);
	if (r == 0)
		r = image_writer_end(writer, &size, err);
	image_writer_free(writer);
	if (r == 0 && lseek(fd, 0, SEEK_SET) == 0)
		r = image_read(fd, &image_default_limits, &image, err);
	image_free(image);
	(void)close(fd);
	return r;
}

static void numbers_of_watches(struct unit *unit)
{
	struct err err = ERR_NONE;

	EXPECT(unit, read_inotifies(4, &err) == 0);
	EXPECT(unit, read_inotifies(5, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, strstr(err.text, "inotify: "),
		    "inotify: 5242880 numbers of watches, more than 4194304");
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(numbers_of_watches) };

	return UNIT_RUN(cases);
}
