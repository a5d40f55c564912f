#!/usr/bin/env bats
load helper

@test "fileowner: signals for input and output survive" {
	victim_start fileowner
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}
