#!/usr/bin/env bats
load helper

@test "fifo: content and ends survive" {
	victim_start fifo
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
