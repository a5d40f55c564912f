#!/usr/bin/env bats
load helper

@test "netns: sockets come back in the network namespace that they were in" {
	victim_start netns
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "netns: sockets in a network namespace that only descriptors hold" {
	victim_start netns held
	for _ in 1 2; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}
