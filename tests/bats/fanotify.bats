#!/usr/bin/env bats
load helper

# marks_start [ARGUMENT]
marks_start() {
	victim_start fanotify "$@" || { [[ -e $VICTIM_DIR/missing ]] && skip "not to be had here"; }
}

@test "fanotify: marks survive, and see nothing of the restore" {
	marks_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	# The deleted file is another one now.
	assert_equal "$output" "ctckpt: note: fanotify tells of an open file by another handle than before
$VICTIM"
	victim_succeeds
}

@test "fanotify: marks survive twice" {
	marks_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

@test "fanotify: events that were not read are refused" {
	marks_start unread
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "fanotify has events that were not read"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "fanotify: another file in the place of a marked one is reported" {
	marks_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	mv "$VICTIM_DIR/dir" "$VICTIM_DIR/old"
	mkdir "$VICTIM_DIR/dir"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "fanotify tells of $VICTIM_DIR/dir by another handle than before"
	victim_succeeds
}

@test "fanotify: a marked file that is gone is refused at the restore" {
	marks_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	mv "$VICTIM_DIR/dir" "$VICTIM_DIR/old"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/dir"
}
