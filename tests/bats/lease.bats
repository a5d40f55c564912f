#!/usr/bin/env bats
load helper

@test "lease: read and write leases survive, and break as they would have" {
	victim_start lease
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "lease: a file that somebody else has opened is refused by name" {
	victim_start lease
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	exec 9<>"$VICTIM_DIR/write"
	run -3 ctckpt restore --detach "$IMAGE"
	exec 9<&-
	assert_contains "$output" "$VICTIM_DIR/write is open in another process: no lease can be taken"
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# bats test_tags=root
@test "lease: a file that has become another's is refused by name" {
	requires root
	victim_start lease
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	chmod 0666 "$VICTIM_DIR/write"
	chown 12345 "$VICTIM_DIR/write"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/write: only its owner can take a lease"
	assert_equal "$(ctckpt ps --quiet)" ""
	chown 0 "$VICTIM_DIR/write"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "lease: one that is being broken is refused by name" {
	victim_start blocked lease
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "a lease that is being broken"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "lease: a checkpoint breaks none" {
	victim_start lease
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
