#!/usr/bin/env bats
load helper

@test "pipe: content, capacity and ends survive" {
	victim_start pipe
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
