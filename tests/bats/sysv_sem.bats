#!/usr/bin/env bats
load helper

@test "sysv_sem: values, keys, modes and waiters survive" {
	victim_start sysv_sem
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sysv_sem: a checkpoint leaves semaphores alone" {
	victim_start sysv_sem
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sysv_sem: the third generation is like the first" {
	victim_start sysv_sem
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}
