#!/usr/bin/env bats
load helper

@test "ns_uts: names of the longest kind survive" {
	victim_start ns_uts
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_uts: the host's own names stay" {
	local before
	before=$(uname -n)
	victim_start ns_uts
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
	assert_equal "$(uname -n)" "$before"
}
