#!/usr/bin/env bats
load helper
load forged

@test "timerfd: time left, ticks and dates survive" {
	victim_start timerfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# Nobody but the kernel's own administrator makes such timers: an image is changed to have one.
@test "timerfd: what wakes the machine up becomes an ordinary timer, and the plan says so" {
	victim_saved timerfd
	forge TMFD.1+32:4=9
	run -0 ctckpt plan "$EVIL"
	assert_contains "$output" "alarm"
	assert_contains "$output" "saved CLOCK_BOOTTIME_ALARM"
	assert_contains "$output" "-> substitute"
	assert_contains "$output" "it does not wake the machine up"
	run -0 ctckpt restore --detach "$EVIL"
	victim_succeeds
}

@test "timerfd: a policy can refuse to replace a timer that wakes the machine up" {
	victim_saved timerfd
	forge TMFD.1+32:4=9
	echo '{"ctckpt_policy": 1, "extends": "strict", "alarms": {"action": "refuse"}}' \
		>"$BATS_TEST_TMPDIR/policy.json"
	run -3 ctckpt restore --detach --policy "$BATS_TEST_TMPDIR/policy.json" "$EVIL"
	assert_contains "$output" "alarm"
	assert_equal "$(ctckpt ps --quiet)" ""
}
