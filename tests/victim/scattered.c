/* scattered: hundreds of pages with holes between them, and files in memory with content. */
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096, PAGES = 400, FILES = 6, SIZE = 3 * PAGE };

int main(void)
{
	char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[SIZE];
	int files[FILES];

	EXPECT(pages != MAP_FAILED);
	for (size_t i = 0; i < PAGES; i += 2)
		pages[i * PAGE] = 'x';
	for (int i = 0; i < FILES; i++) {
		memset(text, 'a' + i, sizeof(text));
		files[i] = memfd_create("scattered", 0);
		EXPECT(files[i] >= 0 && write(files[i], text, SIZE) == SIZE);
	}
	wait_for_restore();
	for (size_t i = 0; i < PAGES; i++)
		EXPECT(pages[i * PAGE] == (i % 2 ? 0 : 'x'));
	for (int i = 0; i < FILES; i++)
		EXPECT(pread(files[i], text, SIZE, 0) == SIZE && text[0] == 'a' + i &&
		       text[SIZE - 1] == 'a' + i);
	victim_done();
}
