/* Opens images. See image_file.h. */
#include "image_file.h"

#include <fcntl.h>
#include <unistd.h>

int image_check_input(const char *image, struct err *err)
{
	if (!image_is_pipe(image) || !isatty(STDIN_FILENO))
		return 0;
	err_set(err, ERR_USAGE, "an image is not read from a terminal");
	return err_hint(err, "name a file, or put a pipe on standard input");
}

int image_check_output(const char *image, struct err *err)
{
	if (!image_is_pipe(image) || !isatty(STDOUT_FILENO))
		return 0;
	err_set(err, ERR_USAGE, "an image is not written to a terminal");
	return err_hint(err, "name a file, or put a pipe on standard output");
}

int image_open(const char *image, int *ret_fd, struct err *err)
{
	int fd = -1;
	int r = image_check_input(image, err);

	if (r < 0)
		return r;
	if (image_is_pipe(image))
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		fd = open(image, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(err, -errno, "open the image");
	*ret_fd = fd;
	return 0;
}
