#!/usr/bin/env bats
load helper
load forged

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

@test "posix_timers: what wakes the machine up becomes an ordinary timer, and the plan says so" {
	victim_saved posix_timers
	# The third is the first of CLOCK_BOOTTIME: CLOCK_BOOTTIME_ALARM.
	forge PTIM+152:4=9
	run -0 ctckpt plan "$EVIL"
	assert_contains "$output" "saved CLOCK_BOOTTIME_ALARM"
	assert_contains "$output" "-> substitute"
	run -0 ctckpt restore --detach "$EVIL"
	victim_succeeds
}
