#!/usr/bin/env bats
load helper

@test "oom: scores survive, each process its own" {
	victim_start oom
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
