#!/usr/bin/env bats
load helper

@test "inotify: watches survive under their numbers, and see nothing of the restore" {
	victim_start inotify
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "inotify: a file that only a walk of the file system finds" {
	victim_start inotify deep
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "inotify: events that were not read become an overflow, which is reported" {
	victim_start inotify unread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "32 bytes of inotify events were not read before the checkpoint"
	victim_succeeds
}

@test "inotify: a container left running keeps its watches" {
	victim_start inotify deep
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --leave-running
	victim_succeeds
}

@test "inotify: a watched file that is gone is refused at the restore, and is in the plan" {
	victim_start inotify deep
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	mv "$VICTIM_DIR/a/b" "$VICTIM_DIR/a/moved"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/a/b/c/deep"
	mkdir -p "$VICTIM_DIR/a/b/c/deep"
	run -3 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "it is a directory now"
}

@test "inotify: a watch on what cannot be found is refused by name" {
	victim_start inotify lost
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "inotify watch 1 is on a file that was not found (inode "
	[[ ! -e $IMAGE ]]
	victim_succeeds
}
