#!/usr/bin/env bats
load helper

@test "anon_name: names of memory survive, where the kernel has them" {
	victim_start anon_name
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
