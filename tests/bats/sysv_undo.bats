#!/usr/bin/env bats
load helper

@test "sysv_undo: sums of all sizes and signs survive" {
	victim_start sysv_undo
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sysv_undo: a checkpoint leaves what is to be undone alone" {
	victim_start sysv_undo
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sysv_undo: the third generation is like the first" {
	victim_start sysv_undo
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}

@test "sysv_undo: a thread with a list of its own is refused" {
	victim_start sysv_undo own
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "has semaphores of its own to undo"
}
