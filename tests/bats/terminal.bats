#!/usr/bin/env bats
load helper

@test "terminal: settings, sizes, numbers and what waits in them survive" {
	victim_start terminal
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "terminal: a checkpoint that goes on takes nothing" {
	victim_start terminal
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.2"
	victim_succeeds
}
