#!/usr/bin/env bats
load helper

@test "rlimits: all limits survive" {
	victim_start rlimits
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "rlimits: a limit that the invoker may not give is clamped" {
	victim_start rlimits clamped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 bash -c 'ulimit -n 256; exec "$1" restore --detach "$2"' - "$CTCKPT" "$IMAGE"
	victim_succeeds
}

@test "rlimits: without address space for what saves it, a task is refused and goes on" {
	local pid
	victim_start idle
	pid=$(container_pid "$VICTIM")
	prlimit --pid "$pid" --as=4096
	run -1 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "in task $pid: Cannot allocate memory"
	assert_contains "$output" "hint: raise its limit of address space or data: prlimit --pid $pid "
	victim_succeeds
}

@test "rlimits: of a limit of processor time, what was left is given" {
	victim_start rlimits used
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$output" "3000 s, 1 s used"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
