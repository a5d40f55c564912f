#!/usr/bin/env bats
load helper

@test "coredump: filters survive" {
	victim_start coredump
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "coredump: filters of processes of a subordinate id survive" {
	requires user subuid
	victim_dir_share
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" --userns auto -- \
		"$BUILD/victim/coredump" 5 >"$VICTIM_DIR/name"
	victim_await ready result
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	victim_succeeds
}
