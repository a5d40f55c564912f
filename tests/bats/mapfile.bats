#!/usr/bin/env bats
load helper

@test "mapfile: named and deleted files, memfds and shared memory survive" {
	victim_start mapfile
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mapfile: a checkpoint leaves mappings alone" {
	victim_start mapfile
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "mapfile: the same from compressed pages" {
	victim_start mapfile
	run -0 ctckpt checkpoint --compress zstd "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mapfile: an executable that was replaced is refused" {
	cp "$BUILD/victim/idle" "$BATS_TEST_TMPDIR/program"
	command_start "$BATS_TEST_TMPDIR/program"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cp "$BUILD/victim/machine" "$BATS_TEST_TMPDIR/other"
	mv "$BATS_TEST_TMPDIR/other" "$BATS_TEST_TMPDIR/program"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$BATS_TEST_TMPDIR/program: it can't be opened as it was"
	assert_contains "$output" "the program file is another build than the saved one"
}

@test "mapfile: an executable that was deleted can be executed again" {
	victim_start upgraded deleted
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mapfile: an executable that is a memfd can be executed again" {
	victim_start upgraded memfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
