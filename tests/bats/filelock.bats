#!/usr/bin/env bats
load helper

@test "filelock: fcntl, flock and OFD locks survive" {
	victim_start filelock
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "filelock: a container left running keeps its locks, and its copy is refused" {
	victim_start filelock
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --leave-running
	run -3 ctckpt restore --detach --name copy "$IMAGE"
	assert_contains "$output" "is locked by another process"
	assert_contains "$output" "hint: end the process that has the lock"
	assert_equal "$(ctckpt ps --quiet)" "$VICTIM"
	victim_succeeds
}

@test "filelock: a lock that somebody else has taken is refused, with the file's name" {
	requires cmd-flock
	victim_start filelock
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 timeout 100 flock --exclusive "$VICTIM_DIR/flock" "$CTCKPT" restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/flock is locked by another process"
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
