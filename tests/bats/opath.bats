#!/usr/bin/env bats
load helper

@test "opath: places of all types survive" {
	victim_start opath
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "opath: a place that has another type by now is refused, also in the plan" {
	victim_start opath
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rm "$VICTIM_DIR/fifo"
	ln -s file "$VICTIM_DIR/fifo"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/fifo"
	assert_contains "$output" "it is a symbolic link now"
}

@test "opath: a deleted file that nothing else has open is refused by name" {
	victim_start opath deleted
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "O_PATH descriptor of $VICTIM_DIR/deleted (deleted), which nothing else has open"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}
