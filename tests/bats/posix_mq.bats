#!/usr/bin/env bats
load helper

@test "posix_mq: messages, priorities, limits and waiters survive" {
	victim_start posix_mq
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "posix_mq: a checkpoint leaves messages alone" {
	victim_start posix_mq
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "posix_mq: the third generation is like the first" {
	victim_start posix_mq
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}
