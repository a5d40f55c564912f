#!/usr/bin/env bats
load helper

@test "mqueue: access modes, flags and shared descriptions survive" {
	victim_start mqueue
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mqueue: a checkpoint leaves descriptors alone" {
	victim_start mqueue
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "mqueue: the third generation is like the first" {
	victim_start mqueue
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}
