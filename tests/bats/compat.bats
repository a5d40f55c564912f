#!/usr/bin/env bats
load helper

@test "compat: a program of 32 bits is refused, and goes on" {
	requires programs-32
	victim_start 32/compat
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "programs of 32 bits are not supported"
	victim_succeeds
}

@test "compat: code of 32 bits in a program of 64 bits is refused" {
	victim_start compat far
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "(compat): thread 2: code of 32 bits in a program of 64 bits is not supported"
	victim_succeeds
}

@test "compat: a local descriptor table is refused" {
	victim_start compat ldt
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "a local descriptor table is not supported"
	victim_succeeds
}
