/* A directory that is being read. */
#include <dirent.h>

#include "victim.h"

int main(void)
{
	int dir = open(victim_dir(), O_RDONLY | O_DIRECTORY);
	int entries = open("/proc", O_RDONLY | O_DIRECTORY);
	struct stat before, after;
	DIR *listing;
	long place;

	EXPECT(dir >= 0 && entries >= 0 && fstat(dir, &before) == 0);
	listing = fdopendir(entries);
	EXPECT(listing && readdir(listing) && readdir(listing) && readdir(listing));
	place = lseek(entries, 0, SEEK_CUR);
	wait_for_restore();
	EXPECT(fstat(dir, &after) == 0 && S_ISDIR(after.st_mode));
	EXPECT(after.st_ino == before.st_ino && after.st_dev == before.st_dev);
	EXPECT(openat(dir, "ready", O_RDONLY) >= 0);
	EXPECT(lseek(entries, 0, SEEK_CUR) == place);
	EXPECT(readdir(listing));
	victim_done();
}
