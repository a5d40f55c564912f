#!/usr/bin/env bats
load helper

@test "regfile: offsets, flags and deleted files survive" {
	victim_start regfile
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "regfile: what others appended is kept, and said" {
	victim_start appended
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	printf more >>"$VICTIM_DIR/appended"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "the file was appended to: 8 bytes then, 12 now"
	victim_succeeds
}

@test "regfile: a file cut off below the saved position is refused" {
	victim_start appended
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	truncate -s 3 "$VICTIM_DIR/appended"
	run -3 ctckpt plan "$IMAGE"
	assert_contains "$output" "it has been truncated below the saved position"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/appended: it can't be opened as it was"
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "regfile: a file that may not be opened any more is refused" {
	requires user
	victim_start appended
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	chmod 0000 "$VICTIM_DIR/appended"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/appended: the invoker may not open it"
}

@test "regfile: a fifo in its place is refused, and does not block" {
	victim_start appended
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rm "$VICTIM_DIR/appended"
	mkfifo "$VICTIM_DIR/appended"
	run -3 ctckpt plan "$IMAGE"
	assert_contains "$output" "it is a fifo now"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/appended: it can't be opened as it was"
}
