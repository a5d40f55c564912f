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

@test "regfile: differences that have no room in the report are counted" {
	local deep=$VICTIM_DIR n
	for n in {1..14}; do
		deep+=/$(printf 'x%.0s' {1..250})
	done
	mkdir -p "$deep"
	for n in {1..20}; do
		echo 0 >"$deep/$n"
	done
	# shellcheck disable=SC2016 # for that shell
	ctckpt run --detach --name "$VICTIM" -- bash -c 'for n in {1..20}; do exec {fd}<"$0/$n"; done
		: >"$1/ready"; while :; do sleep 1000; done' "$deep" "$VICTIM_DIR"
	victim_await ready
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for n in {1..20}; do
		echo 1 >>"$deep/$n"
	done
	run -0 ctckpt restore --detach "$IMAGE"
	n=$(grep -c "x/[0-9]*: " <<<"$output")
	((n > 0 && n < 20)) || fail "$n are told"
	assert_contains "$output" "$((20 - n)) more differences have no room here"
}
