#!/usr/bin/env bats
load helper

@test "pty: descriptions of both ends survive" {
	victim_start pty
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
