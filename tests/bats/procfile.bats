#!/usr/bin/env bats
load helper

@test "procfile: files of /proc/PID survive" {
	victim_start procfile
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "procfile: a file of a process that is gone is refused by name" {
	victim_start procfile gone
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "is a file of a process that is gone"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}
