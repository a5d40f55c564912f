#!/usr/bin/env bats
load helper

@test "ns_ipc: a namespace without objects comes back" {
	victim_start ns_ipc
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# refuses OBJECT TEXT
refuses() {
	victim_start ns_ipc "$1"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "System V $2 not supported"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "ns_ipc: shared memory is refused" {
	refuses shm "shared memory is"
}

@test "ns_ipc: semaphores are refused" {
	refuses sem "semaphores are"
}

@test "ns_ipc: message queues are refused" {
	refuses msg "message queues are"
}
