#!/usr/bin/env bats
load helper

@test "prctl: switches of processes survive" {
	victim_start prctl
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
