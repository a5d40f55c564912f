#!/usr/bin/env bats
load helper

@test "itimers: interval timers go on" {
	victim_start itimers
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "itimers: a checkpoint leaves interval timers alone" {
	victim_start itimers
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
