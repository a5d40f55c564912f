#!/usr/bin/env bats
load helper

@test "machine: the vdso can be called" {
	victim_start machine
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "machine: a checkpoint leaves the vdso alone" {
	victim_start machine
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
