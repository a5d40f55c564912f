#!/usr/bin/env bats
load helper

@test "ctty: controlling terminals and foreground groups survive" {
	victim_start ctty
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ctty: a second generation has them too" {
	victim_start ctty
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.0"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}
