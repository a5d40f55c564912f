/* state, kill and delete of containers that were restored from a bundle. See ctckpt/oci.h. */
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "ctckpt/ctckpt.h"
#include "ctckpt/list.h"
#include "ctckpt/oci.h"
#include "oci/state.h"
#include "target/target.h"

enum { PATIENCE_MS = 20000 };

/* ---- state ---- */

static bool is_frozen(const char *id)
{
	struct ctckpt_container *containers = NULL;
	struct err ignored;
	bool found = false;
	size_t count = 0;

	if (ctckpt_list("ctckpt", &containers, &count, &ignored) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		found |= strcmp(containers[i].name, id) == 0 &&
			 strcmp(containers[i].state, "frozen") == 0;
	ctckpt_list_free(containers, count);
	return found;
}

static const char *status_of(const struct oci_state *state)
{
	if (!oci_state_lives(state))
		return "stopped";
	return is_frozen(state->id) ? "paused" : "running";
}

int ctckpt_oci_state(const char *id, struct json **ret_state, struct err *err)
{
	auto_oci_state struct oci_state state = OCI_STATE_NONE;
	struct oci_status status;
	const char *word;
	int r = oci_state_read(id, &state, err);

	if (r < 0)
		return r;
	word = status_of(&state);
	status =
	    oci_state_status(&state, word, strcmp(word, "stopped") == 0 ? 0 : (pid_t)state.pid);
	*ret_state = oci_status_json(&status);
	json_put_string(*ret_state, "rootfs", state.rootfs);
	json_put_string(*ret_state, "created", state.created);
	json_put_string(*ret_state, "owner", "");
	return 0;
}

/* ---- kill ---- */

/* The process, and no other one that has its number. */
static int open_init(const struct oci_state *state, int *ret_pidfd, struct err *err)
{
	auto_close int pidfd = sys_pidfd_open((pid_t)state->pid);

	if (pidfd < 0 || !oci_state_lives(state))
		return err_set(err, ERR_FAILED, "container %s does not run", state->id);
	*ret_pidfd = take_fd(&pidfd);
	return 0;
}

/* Waits for that, as long as we are patient. */
static bool has_ended(int pidfd)
{
	struct pollfd polls = { pidfd, POLLIN, 0 };

	return poll(&polls, 1, PATIENCE_MS) > 0;
}

static int kill_all(const char *id, int number, struct err *err)
{
	auto_target struct target target = TARGET_NONE;
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = target_find(id, &target, err);

	if (r == 0)
		r = target_tasks(&target, &pids, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		auto_close int pidfd = sys_pidfd_open(pids[i]);
		struct err ignored;
		auto_free pid_t *now = NULL;
		size_t left = 0;
		bool is_one = false;

		/* The number may be another's by now. */
		if (pidfd < 0 || target_tasks(&target, &now, &left, &ignored) < 0)
			continue;
		for (size_t j = 0; j < left; j++)
			is_one |= now[j] == pids[i];
		if (is_one)
			(void)sys_pidfd_send_signal(pidfd, number);
	}
	return r;
}

int ctckpt_oci_kill(const char *id, int number, bool is_to_all, struct err *err)
{
	auto_oci_state struct oci_state state = OCI_STATE_NONE;
	auto_close int pidfd = -1;
	int r = oci_state_read(id, &state, err);

	if (r == 0)
		r = open_init(&state, &pidfd, err);
	if (r < 0 || is_to_all)
		return r < 0 ? r : kill_all(id, number, err);
	r = sys_pidfd_send_signal(pidfd, number);
	if (r < 0)
		return err_set(err, r, "send signal %d to container %s", number, id);
	/* So that a delete that follows finds it ended. */
	if (number == SIGKILL && !is_frozen(id))
		(void)has_ended(pidfd);
	return 0;
}

/* ---- delete ---- */

/* A frozen task dies when it is thawed. */
static int end(const struct oci_state *state, struct err *err)
{
	struct ctckpt_freeze_result result;
	auto_close int pidfd = -1;
	struct err ignored;
	int r = open_init(state, &pidfd, &ignored);

	if (r < 0)
		return 0;
	r = sys_pidfd_send_signal(pidfd, SIGKILL);
	if (r < 0 && r != -ESRCH)
		return err_set(err, r, "kill container %s", state->id);
	if (is_frozen(state->id))
		(void)ctckpt_thaw(state->id, &result, &ignored);
	if (!has_ended(pidfd))
		return err_set(err, ERR_FAILED, "container %s does not end", state->id);
	return 0;
}

static int check_end(const struct oci_state *state, bool is_forced, struct err *err)
{
	if (!oci_state_lives(state))
		return 0;
	if (is_forced)
		return end(state, err);
	(void)err_set(err, ERR_FAILED, "container %s still runs", state->id);
	return err_hint(err, "ctckpt kill %s, or delete --force", state->id);
}

int ctckpt_oci_delete(const char *id, bool is_forced, struct err *ret_warning, struct err *err)
{
	auto_oci_state struct oci_state state = OCI_STATE_NONE;
	struct oci_status status;
	struct err ignored;
	int r = oci_state_read(id, &state, err);

	if (r == -ENOENT && is_forced)
		return 0;
	if (r == 0)
		r = check_end(&state, is_forced, err);
	if (r < 0)
		return r;
	(void)registry_remove_of(id, (pid_t)state.pid, state.start_time, &ignored);
	r = oci_state_remove(id, err);
	if (r <= 0)
		return r;
	status = oci_state_status(&state, "stopped", 0);
	if (access(state.bundle, X_OK) < 0)
		(void)hooks_run(&state.poststop, OCI_POSTSTOP, &status, NULL, NULL, ret_warning);
	else
		(void)hooks_run(&state.poststop, OCI_POSTSTOP, &status, state.bundle, NULL,
				ret_warning);
	return 0;
}
