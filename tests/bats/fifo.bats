#!/usr/bin/env bats
load helper

@test "fifo: content and ends survive" {
	victim_start fifo
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "fifo: one that holds what others wrote is refused, and left alone" {
	victim_start fifo
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	exec 9<>"$VICTIM_DIR/lonely"
	printf xy >&9
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "it is in use by others, and holds 2 bytes"
	assert_equal "$(ctckpt ps --quiet)" ""
	read -r -n 2 -u 9
	exec 9<&-
	assert_equal "$REPLY" xy
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
