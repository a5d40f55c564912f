#!/usr/bin/env bats
load helper

@test "compat: a program of 32 bits survives" {
	requires programs-32
	victim_start 32/compat
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "address spaces of programs of 32 bits are of 64"
	victim_succeeds
}

@test "compat: a checkpoint leaves a program of 32 bits alone" {
	requires programs-32
	victim_start 32/compat
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "compat: a program of 32 bits survives twice" {
	requires programs-32
	victim_start 32/compat
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

@test "compat: system calls of a program of 32 bits go on" {
	requires programs-32
	victim_start 32/syscalls
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "compat: threads of a program of 32 bits survive" {
	requires programs-32
	victim_start 32/thread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "compat: signal actions of a program of 32 bits survive" {
	requires programs-32
	victim_start 32/signals
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "compat: timers of a program of 32 bits survive" {
	requires programs-32
	victim_start 32/posix_timers
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "compat: a checkpoint does not disturb system calls of 32 bits" {
	requires programs-32
	victim_start 32/syscalls
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
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
