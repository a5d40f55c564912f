#!/usr/bin/env bats
load helper

@test "signalfd: the set of signals survives" {
	victim_start signalfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
