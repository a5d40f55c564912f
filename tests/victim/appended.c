/* A file that is read up to its end; the test changes it while its reader is in an image. */
#include "victim.h"

int main(void)
{
	char path[PATH_MAX], text[16];
	int writer, reader;

	(void)snprintf(path, sizeof(path), "%s/appended", victim_dir());
	writer = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	reader = open(path, O_RDONLY);
	EXPECT(writer >= 0 && reader >= 0 && write(writer, "12345678", 8) == 8);
	EXPECT(read(reader, text, sizeof(text)) == 8);
	wait_for_restore();
	EXPECT(read(reader, text, sizeof(text)) == 4 && memcmp(text, "more", 4) == 0);
	EXPECT(write(writer, "9", 1) == 1 && read(reader, text, 1) == 1 && text[0] == '9');
	victim_done();
}
