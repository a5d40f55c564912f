#!/usr/bin/env bats
load helper

@test "directory: an open directory and its position survive" {
	victim_start directory
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
