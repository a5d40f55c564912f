#!/usr/bin/env bats
load helper

@test "mempolicy: policies of threads and mappings survive" {
	victim_start mempolicy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mempolicy: a checkpoint leaves policies alone" {
	victim_start mempolicy
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
