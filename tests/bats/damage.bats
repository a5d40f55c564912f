#!/usr/bin/env bats
# Images that are not as they were written: exit status 4, and nothing happens.

load helper

@test "damage: every byte and every length of an image" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run "$BUILD/tests/damage" "$IMAGE"
	assert_equal "$(grep '^not ok' <<<"$output")" ""
	assert_equal "$status" 0
}

@test "damage: verify, inspect, plan and restore agree" {
	local command offset
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for offset in 0 9 100 2000; do
		cp "$IMAGE" "$IMAGE.bad"
		printf '\xa5\x5a' | dd of="$IMAGE.bad" bs=1 seek="$offset" conv=notrunc status=none
		for command in verify inspect plan "restore --detach"; do
			# shellcheck disable=SC2086 # a command and its option
			run -4 --separate-stderr ctckpt $command "$IMAGE.bad"
			assert_contains "$stderr" "ctckpt: "
		done
	done
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "damage: a flipped page starts no task" {
	local size
	victim_start answering 8
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	size=$(stat -c %s "$IMAGE")
	printf '\xa5\x5a' | dd of="$IMAGE" bs=1 seek=$((size / 2)) conv=notrunc status=none
	: >"$VICTIM_DIR/go"
	run -4 ctckpt restore "$IMAGE"
	[[ ! -e $VICTIM_DIR/result ]]
	run -4 ctckpt verify "$IMAGE"
}

@test "damage: what is no image at all" {
	local file
	for file in /etc/passwd "$CTCKPT"; do
		run -4 ctckpt restore --detach "$file"
	done
	run -1 ctckpt restore --detach /dev/null
	run -1 ctckpt restore --detach "$BATS_TEST_TMPDIR"
}
