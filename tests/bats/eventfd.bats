#!/usr/bin/env bats
load helper

@test "eventfd: counter and semaphore survive" {
	victim_start eventfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
