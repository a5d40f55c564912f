#!/usr/bin/env bats
load helper

@test "thread: names, storage, rseq, robust mutexes and signal stacks survive" {
	victim_start thread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "thread: a checkpoint leaves threads alone" {
	victim_start thread
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "thread: dispatch of system calls to the program is refused" {
	requires kernel-6.4
	victim_start thread dispatch
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "PR_SET_SYSCALL_USER_DISPATCH is not supported"
	victim_succeeds
}
