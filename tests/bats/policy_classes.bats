#!/usr/bin/env bats
# What the policy decides, by class and by preset.
load helper

# plan_of PRESET: with single spaces.
plan_of() {
	run ctckpt plan --policy "$1" "$IMAGE"
	plan=$(tr -s ' ' <<<"$output")
}

# From a set-id copy of the program.
privileged_start() {
	cp "$BUILD/victim/privilege" "$VICTIM_DIR/setid"
	chmod 4755 "$VICTIM_DIR/setid"
	command_start "$VICTIM_DIR/setid"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
}

@test "policy: sockets, ports, dumpable, set-id and each thread's own have their lines" {
	local plan
	privileged_start
	plan_of strict
	assert_contains "$plan" "raw socket saved protocol 1 invoker own network -> keep rule strict/net.raw"
	assert_contains "$plan" "packet socket saved open invoker own network -> keep rule strict/net.packet"
	assert_contains "$plan" "0.0.0.0 port 80 saved a low port invoker own network -> keep rule strict/net.low_port"
	assert_contains "$plan" "dumpable saved off invoker on -> keep rule strict/dumpable"
	assert_contains "$plan" "/setid saved set-id executable invoker - -> drop rule strict/setid"
	assert_contains "$plan" "thread 2 caps.permitted saved all but net_raw"
	assert_contains "$plan" "thread 2 nice saved 9 invoker 0 -> keep"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "policy: same-host gives others than root what they may have" {
	requires user
	local plan
	privileged_start
	plan_of same-host
	assert_contains "$plan" "caps.permitted saved all invoker - -> clamp - rule same-host/caps"
	assert_contains "$plan" "/setid saved set-id executable invoker - -> keep rule same-host/setid"
	run -0 --separate-stderr ctckpt restore --policy same-host --detach "$IMAGE"
	assert_contains "$stderr" "/setid is set-id: its tasks go on with the ids of the plan"
	victim_succeeds
}

# bats test_tags=root
@test "policy: same-host gives root's containers what root holds, and no more" {
	requires root
	local plan own
	privileged_start
	plan_of same-host
	[[ $plan != *REFUSE* ]]
	run -0 ctckpt restore --policy same-host --detach "$IMAGE"
	own=$(awk '/^CapPrm/ { print $2 }' /proc/self/status)
	assert_equal "$(awk '/^CapPrm/ { print $2 }' "/proc/$(container_pid "$VICTIM")/status")" "$own"
	victim_succeeds
}

@test "policy: forensic lists what is in an image, and restores nothing" {
	local plan
	privileged_start
	run -3 ctckpt plan --policy forensic "$IMAGE"
	plan=$(tr -s ' ' <<<"$output")
	assert_contains "$plan" "raw socket saved protocol 1 invoker own network -> record rule forensic/net.raw"
	assert_contains "$plan" " record: restore would refuse (exit 3)"
	[[ $plan != *"-> keep"* && $plan != *REFUSE* ]]
	run -3 --separate-stderr ctckpt restore --policy forensic --detach "$IMAGE"
	assert_contains "$stderr" "the policy forensic reads images and never runs them"
	assert_contains "$stderr" "hint: use --policy strict, map or same-host"
	assert_equal "$(test_tasks)" ""
}
