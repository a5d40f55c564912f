#!/usr/bin/env bats
load helper

@test "coredump: filters survive" {
	victim_start coredump
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
