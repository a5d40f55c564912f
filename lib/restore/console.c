/* The terminal of a container that has one of its own: where will its master go? */
#include "container/console.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "ctckpt/ctckpt.h"
#include "kind/support/terminal.h"
#include "restore/restore.h"

int restore_prepare_console(const struct image *image, const struct ctckpt_restore_options *options,
			    int *ret_socket, struct err *err)
{
	bool has_terminal = terminal_console(image) != NULL;

	if (options->join && has_terminal)
		return err_set(err, ERR_REFUSED,
			       "the saved container had a terminal of its own, which is not "
			       "supported in one of another engine");
	if (options->console_socket && !has_terminal)
		return err_set(err, ERR_USAGE,
			       "--console-socket: the container has no terminal of its own");
	if (options->console_socket)
		return console_connect(options->console_socket, ret_socket, err);
	if (!has_terminal || (!options->detach && console_has_user()))
		return 0;
	(void)err_set(err, ERR_REFUSED, "the container has a terminal of its own");
	return err_hint(err, "restore it in the foreground, with a terminal as standard input, or "
			     "use --console-socket");
}

int restore_take_terminal(const struct restore *rs, int pidfd, int socket, int *ret_master,
			  struct err *err)
{
	auto_close int master = -1;

	if (rs->own->shared->console < 0)
		return 0;
	master = (int)syscall(SYS_pidfd_getfd, pidfd, rs->own->shared->console, 0);
	if (master < 0)
		return err_set(err, -errno, "take the container's terminal");
	if (socket >= 0)
		return console_send(socket, master, err);
	*ret_master = take_fd(&master);
	return 0;
}
