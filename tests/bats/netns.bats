#!/usr/bin/env bats
load helper

@test "netns: sockets come back in the network namespace that they were in" {
	victim_start netns
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
