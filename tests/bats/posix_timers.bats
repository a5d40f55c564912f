#!/usr/bin/env bats
load helper

@test "posix_timers: ids, clocks and notifications survive" {
	victim_start posix_timers
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "posix_timers: a checkpoint leaves timers alone" {
	victim_start posix_timers
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
