#!/usr/bin/env bats
load helper

@test "namespace: user, uts, ipc, time and network namespaces of single tasks come back" {
	victim_start namespace
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "namespace: capabilities in a user namespace of its own, where the policy gives them" {
	victim_start namespace capable
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	victim_succeeds
}

# bats test_tags=cgroup,root
@test "namespace: a cgroup namespace that begins where the container's own does" {
	victim_start namespace cgroup
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "namespace: the source goes on" {
	victim_start namespace
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "namespace: a time namespace for children alone is refused by name" {
	victim_start namespace time-for-children
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$stderr" "ctckpt: checkpoint $VICTIM: task 2 (namespace): its children have a time namespace of their own"
}

@test "namespace: a pid namespace for children without a first task is refused by name" {
	victim_start namespace no-first-task
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$stderr" "ctckpt: checkpoint $VICTIM: task 2 (namespace): the pid namespace of its children has no first task"
}

@test "namespace: a thread in a namespace of its own is refused by name" {
	victim_start namespace thread-uts
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$stderr" "ctckpt: checkpoint $VICTIM: task 2 (namespace): thread 3 has a uts namespace of its own"
}

@test "namespace: a thread whose children would be in a pid namespace is refused by name" {
	victim_start namespace thread-no-first-task
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$stderr" "ctckpt: checkpoint $VICTIM: task 2 (namespace): children of thread 3 have a pid namespace of their own"
}

# In a shell, so that it is not the container's first task; with its own proc.
@test "namespace: unshare with its own user, pid and mount namespace and proc, in python" {
	requires cmd-unshare cmd-python3
	container_start "$VICTIM" sh -c "unshare -Urpf --mount-proc python3 \
		'$BATS_TEST_DIRNAME/../programs/boxed.py'; true"
	victim_await ready result
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "namespace: a sandbox of bubblewrap" {
	requires cmd-bwrap cmd-python3 user
	container_start "$VICTIM" sh -c "bwrap --ro-bind / / --dev /dev --proc /proc --bind '$VICTIM_DIR' \
		'$VICTIM_DIR' --unshare-user --unshare-pid --unshare-uts --unshare-ipc --unshare-net \
		--hostname boxed python3 '$BATS_TEST_DIRNAME/../programs/boxed.py'; true"
	victim_await ready result
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# first_task_comes_back COMMAND...: it ends up as boxed.py, where it has led itself.
first_task_comes_back() {
	container_start "$VICTIM" "$@" python3 "$BATS_TEST_DIRNAME/../programs/boxed.py"
	victim_await ready result
	for _ in 1 2; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "namespace: a first task that has entered a user namespace of its own" {
	requires cmd-unshare cmd-python3
	first_task_comes_back unshare -Ur
}

@test "namespace: a first task that has left most of the container's own namespaces" {
	requires cmd-unshare cmd-python3
	first_task_comes_back unshare -Urmnui
}

@test "namespace: a first task that has left them, and its children" {
	requires cmd-unshare cmd-python3
	first_task_comes_back unshare -Urmnui sh -c 'sleep 1000 & "$@"; kill %1' sh
}

@test "namespace: a first task that has mounted something in a namespace of its own" {
	requires cmd-unshare cmd-python3
	first_task_comes_back unshare -Urm sh -c 'mount -t tmpfs none /mnt && exec "$@"' sh
	assert_contains "$output" "ctckpt: note: no task is in the container's own mount namespace: in copies of it, what was mounted cannot be unmounted"
}

@test "namespace: a sandbox of bubblewrap, which is the first task" {
	requires cmd-bwrap cmd-python3 user
	first_task_comes_back bwrap --ro-bind / / --dev /dev --bind "$VICTIM_DIR" "$VICTIM_DIR" \
		--unshare-user --unshare-net
}

# limited COMMAND...: a container whose shell sets limits, and what is said of it.
limited() {
	container_start "$VICTIM" sh -c "$1; : >'$VICTIM_DIR/ready'; exec sleep 1000"
	victim_await ready
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	[[ ! -e $IMAGE ]]
}

@test "namespace: a limit of the container's user namespace is refused by name" {
	limited 'echo 0 >/proc/sys/user/max_user_namespaces'
	assert_contains "$output" "limit user.max_user_namespaces of a user namespace is not supported"
}

@test "namespace: a limit of a user namespace of single tasks is refused by name" {
	requires cmd-unshare
	limited "unshare --user --map-root-user sh -c 'echo 5 >/proc/sys/user/max_inotify_watches; : >$VICTIM_DIR/set; exec sleep 1000' & while [ ! -e $VICTIM_DIR/set ]; do sleep 0.01; done"
	assert_contains "$output" "limit user.max_inotify_watches of a user namespace is not supported"
}

@test "namespace: a limit of pids is refused by name" {
	requires kernel-6.14
	limited 'echo 400 >/proc/sys/kernel/pid_max'
	assert_contains "$output" "limit kernel.pid_max of a pid namespace is not supported"
}
