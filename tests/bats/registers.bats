#!/usr/bin/env bats
load helper

@test "registers: all that the processor has survives" {
	victim_start registers
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "registers: a checkpoint leaves registers alone" {
	victim_start registers
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "registers: system calls go on, and none sees EINTR" {
	victim_start syscalls
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "registers: a checkpoint does not disturb system calls" {
	victim_start syscalls
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "registers: freeze and thaw do not disturb system calls" {
	victim_start syscalls
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeds
}
