#!/usr/bin/env bats
load helper

@test "timerfd: time left, ticks and dates survive" {
	victim_start timerfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
