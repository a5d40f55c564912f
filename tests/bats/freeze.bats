#!/usr/bin/env bats
# freeze and thaw as commands, by a cgroup where there is one that may be used, else by a holder.

# bats file_tags=cgroup

load helper

# Asks the victim; answers_within SECONDS waits for its answer.
ask() {
	rm -f "$VICTIM_DIR/pong"
	: >"$VICTIM_DIR/ping"
}

answers_within() {
	"$AWAIT" -t "$1" "$VICTIM_DIR/pong"
}

@test "freeze: nothing runs until it is thawed" {
	victim_start answering
	run -0 ctckpt freeze "$VICTIM"
	assert_contains "$output" "$VICTIM: 1 tasks (1 threads) frozen in "
	ask
	run -124 answers_within 1
	run -0 ctckpt ps
	assert_contains "$output" frozen
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$output" "$VICTIM: goes on"
	answers_within 20
	victim_succeeds
}

@test "freeze: twice is once, and so is thaw" {
	victim_start answering
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$output" "$VICTIM: was not frozen"
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt freeze "$VICTIM"
	assert_equal "$output" "$VICTIM: was frozen already"
	run -0 ctckpt thaw "$VICTIM"
	ask
	answers_within 20
	victim_succeeds
}

@test "freeze: a cgroup does it where there is one" {
	requires cgroup
	victim_start answering
	run -0 ctckpt freeze --json "$VICTIM"
	assert_contains "$output" '"has_holder": false'
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeds
}

@test "freeze: a frozen container can be saved, and stays frozen" {
	victim_start answering
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	ask
	run -124 answers_within 1
	run -0 ctckpt thaw "$VICTIM"
	answers_within 20
	victim_succeeds
}

@test "freeze: a frozen container can be saved and ended" {
	victim_start answering
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 ctckpt restore --detach "$IMAGE"
	ask
	answers_within 20
	victim_succeeds
}

@test "freeze: the socket of a holder is its owner's alone" {
	! has cgroup || return 0 # no holder there
	victim_start idle
	umask 0
	run -0 ctckpt freeze "$VICTIM"
	assert_equal "$(stat -c %a "$XDG_RUNTIME_DIR/ctckpt/$VICTIM.sock")" 600
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeds
}
