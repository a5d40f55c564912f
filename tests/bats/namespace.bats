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
