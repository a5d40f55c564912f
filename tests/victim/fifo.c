/* A named pipe with bytes in it, and one that only has a reader. */
#include "victim.h"

static void make(const char *name, char path[PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	EXPECT(mkfifo(path, 0600) == 0);
}

int main(void)
{
	char path[PATH_MAX], lonely_path[PATH_MAX], text[8];
	int reader, writer, lonely;
	struct stat st;

	make("fifo", path);
	make("lonely", lonely_path);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	writer = open(path, O_WRONLY);
	lonely = open(lonely_path, O_RDONLY | O_NONBLOCK);
	EXPECT(reader >= 0 && writer >= 0 && lonely >= 0);
	EXPECT(write(writer, "abcdef", 6) == 6);

	wait_for_restore();

	EXPECT(fstat(reader, &st) == 0 && S_ISFIFO(st.st_mode));
	EXPECT(fcntl(reader, F_GETFL) & O_NONBLOCK);
	EXPECT(!(fcntl(writer, F_GETFL) & O_NONBLOCK));
	EXPECT(read(reader, text, 8) == 6 && memcmp(text, "abcdef", 6) == 0);
	EXPECT(write(writer, "g", 1) == 1 && read(reader, text, 8) == 1 && text[0] == 'g');
	EXPECT(close(writer) == 0 && read(reader, text, 8) == 0);
	EXPECT(read(lonely, text, 8) == 0);
	writer = open(lonely_path, O_WRONLY | O_NONBLOCK);
	EXPECT(writer >= 0 && write(writer, "h", 1) == 1 && read(lonely, text, 8) == 1);
	victim_done();
}
