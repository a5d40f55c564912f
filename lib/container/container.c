/* The caller's side of a container: starts the stage, writes the maps, owns the first task. */
#include "container/container.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "container/parts.h"
#include "container/sync.h"
#include "core/cleanup.h"

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* An init ends after all tasks of its pid namespace; those that this process traces are gone only
 * when it has waited for them. */
static void reap_all(pid_t init)
{
	pid_t pid;

	do {
		pid = waitpid(-1, NULL, __WALL);
	} while (pid != init && (pid > 0 || errno == EINTR));
}

static int open_rootfs(const char *rootfs, int *ret_fd, struct err *err)
{
	if (!rootfs)
		return 0;
	*ret_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_set(err, -errno, "root file system %s", rootfs);
	return 0;
}

/* The caller's part of the talk with the stage. */
static int attend_stage(const struct container_spec *spec, pid_t stage, int sync, pid_t *ret_init,
			struct err *err)
{
	int r;

	r = sync_expect(sync, SYNC_UNSHARED, NULL, err);
	if (r == 0)
		r = userns_write_maps(stage, spec, err);
	if (r == 0)
		r = sync_send(sync, SYNC_MAPPED, 0, err);
	if (r == 0)
		r = sync_expect(sync, SYNC_BORN, ret_init, err);
	return r;
}

static int run_stage(const struct container_spec *spec, int rootfs, struct container *container,
		     struct err *err)
{
	struct stage stage = { .spec = spec,
			       .caller = getpid(),
			       .uid = geteuid(),
			       .gid = getegid(),
			       .rootfs = rootfs };
	pid_t init = 0;
	int ends[2];
	pid_t pid;
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket");
	container->sync = ends[0];
	stage.sync = ends[1];
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		stage_main(&stage);
	}
	(void)close(ends[1]);
	if (pid < 0)
		return err_set(err, -errno, "fork");
	r = attend_stage(spec, pid, container->sync, &init, err);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	reap(pid);
	container->init = init;
	return r;
}

int container_start(const struct container_spec *spec, struct container *ret_container,
		    struct err *err)
{
	struct container container = CONTAINER_NONE;
	auto_close int rootfs = -1;
	int r;

	r = open_rootfs(spec->rootfs, &rootfs, err);
	if (r == 0)
		r = run_stage(spec, rootfs, &container, err);
	if (r == 0) {
		container.pidfd = pidfd_open(container.init, 0);
		if (container.pidfd < 0)
			r = err_set(err, -errno, "open the container's first task");
	}
	if (r < 0) {
		container_kill(&container);
		container_free(&container);
		return err_wrap(err, "create the container");
	}
	*ret_container = container;
	return 0;
}

int container_go(struct container *container, struct err *err)
{
	return sync_send(container->sync, SYNC_GO, 0, err);
}

int container_wait_exec(struct container *container, struct err *err)
{
	ssize_t got;
	char message[sizeof(struct sync_packet)];

	do {
		got = sync_receive(container->sync, message, sizeof(message), err);
	} while (got > 0);
	drop_fd(&container->sync);
	return (int)got;
}

void container_kill(struct container *container)
{
	if (container->init <= 0)
		return;
	/* Our child, not reaped yet: the pid is still its own. */
	(void)kill(container->init, SIGKILL);
	reap_all(container->init);
	container->init = 0;
}

void container_free(struct container *container)
{
	drop_fd(&container->pidfd);
	drop_fd(&container->sync);
}
