#!/usr/bin/env bats
# checkpoint and restore as commands: where images go, what is left behind, what is said.

# bats file_tags=cgroup

load helper

# It is told to end, and does not.
victim_is_frozen() {
	: >"$VICTIM_DIR/go"
	run -124 "$AWAIT" -t 1 "$VICTIM_DIR/result"
}

@test "checkpoint: the container is gone, and comes back" {
	local pid
	victim_start idle
	pid=$(container_pid "$VICTIM")
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "$VICTIM: saved 1 task"
	"$AWAIT" -t 100 -p "$pid"
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	assert_contains "$(ctckpt ps)" "$IMAGE"
	victim_succeeds
}

@test "checkpoint: --leave-running" {
	victim_start idle
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_equal "$(ctckpt ps --quiet)" "$VICTIM"
	victim_succeeds
}

@test "checkpoint: --leave-stopped, then thaw" {
	victim_start idle
	run -0 ctckpt checkpoint --leave-stopped "$VICTIM" -o "$IMAGE"
	victim_is_frozen
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeded
}

@test "checkpoint: images are the invoker's alone" {
	victim_start idle
	umask 0
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_equal "$(stat -c %a "$IMAGE")" 600
	victim_succeeds
}

@test "checkpoint: an image that is there is kept, but with --force" {
	victim_start idle
	echo precious >"$IMAGE"
	run -1 --separate-stderr ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "File exists"
	assert_equal "$(<"$IMAGE")" precious
	run -0 ctckpt checkpoint --leave-running --force "$VICTIM" -o "$IMAGE"
	run -0 ctckpt verify "$IMAGE"
	victim_succeeds
}

@test "checkpoint: a symlink in the image's place is not followed" {
	victim_start idle
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$IMAGE"
	run -1 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	[[ ! -e $BATS_TEST_TMPDIR/elsewhere ]]
	victim_succeeds
}

@test "checkpoint: a FIFO in the image's place is not replaced" {
	victim_start idle
	mkfifo "$IMAGE"
	run -1 ctckpt checkpoint --leave-running --force "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "write image $IMAGE: it is neither a file nor a link"
	[[ -p $IMAGE ]]
	victim_succeeds
}

@test "checkpoint: through a pipe" {
	victim_start idle
	run -0 bash -c '"$1" checkpoint "$2" -o - | cat >"$3"' - "$CTCKPT" "$VICTIM" "$IMAGE"
	run -0 ctckpt verify "$IMAGE"
	run -0 bash -c 'cat "$2" | "$1" restore --detach -' - "$CTCKPT" "$IMAGE"
	victim_succeeds
}

@test "checkpoint: to a file as standard output" {
	victim_start idle
	run -0 bash -c '"$1" checkpoint --leave-running "$2" -o - >"$3"' - "$CTCKPT" "$VICTIM" \
		"$IMAGE"
	run -0 ctckpt verify "$IMAGE"
	run -0 bash -c '"$1" checkpoint --leave-running "$2" -o - >>"$3"' - "$CTCKPT" "$VICTIM" \
		"$IMAGE.appended"
	run -0 ctckpt verify "$IMAGE.appended"
	run -0 bash -c '{ echo text && "$1" checkpoint "$2" -o -; } >"$3"' - "$CTCKPT" "$VICTIM" \
		"$IMAGE.behind"
	tail -c +6 "$IMAGE.behind" >"$IMAGE.alone"
	run -0 ctckpt restore --detach "$IMAGE.alone"
	victim_succeeds
}

@test "checkpoint: compressed" {
	local format
	victim_start idle
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.none"
	for format in lz4 zstd; do
		run -0 ctckpt checkpoint --leave-running --compress "$format" "$VICTIM" \
			-o "$IMAGE.$format"
		(($(stat -c %s "$IMAGE.$format") < $(stat -c %s "$IMAGE.none")))
		run -0 ctckpt verify "$IMAGE.$format"
	done
	run -0 ctckpt restore --detach --name "$VICTIM-lz4" "$IMAGE.lz4"
	run -0 ctckpt restore --detach --name "$VICTIM-zstd" "$IMAGE.zstd"
	victim_succeeds
}

@test "checkpoint: statistics in the words of CRIU" {
	local word
	victim_start idle
	run -0 ctckpt checkpoint --leave-running --print-stats "$VICTIM" -o "$IMAGE"
	for word in freezing_time frozen_time memdump_time memwrite_time; do
		[[ $output =~ (^|$'\n')$word:\ [0-9]+\ us($|$'\n') ]] || fail "$word is not in $output"
	done
	[[ $output =~ pages_written:\ [1-9] ]]
	run -0 --separate-stderr ctckpt checkpoint --json "$VICTIM" -o "$IMAGE" --force
	[[ $output =~ \"frozen_time\":\ [0-9]+ ]]
	run -0 ctckpt restore --detach --json "$IMAGE"
	[[ $output =~ \"restore_time\":\ [1-9] ]]
	victim_succeeds
}

@test "checkpoint: progress as lines of JSON" {
	victim_start idle
	ctckpt checkpoint "$VICTIM" -o "$IMAGE" --progress-fd 5 5>"$BATS_TEST_TMPDIR/progress"
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/progress") =~ ^\{\"done\":([0-9]+),\"total\":([0-9]+), ]]
	assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}

@test "checkpoint: an unknown container is named" {
	run -1 --separate-stderr ctckpt checkpoint no-such-container -o "$IMAGE"
	assert_contains "$stderr" "checkpoint no-such-container: "
	[[ ! -e $IMAGE ]]
}

@test "restore: an image that is not there" {
	run -1 --separate-stderr ctckpt restore "$IMAGE"
	assert_contains "$stderr" "No such file or directory"
}

@test "restore: in the foreground the command's status is passed through" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	: >"$VICTIM_DIR/go"
	run -0 ctckpt restore "$IMAGE"
	assert_equal "$(<"$VICTIM_DIR/result")" ok
}

@test "restore: --leave-frozen" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --leave-frozen "$IMAGE"
	victim_is_frozen
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeded
}

@test "plan: says what would happen, and does nothing" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	[[ ${lines[-1]} =~ ^[0-9]+\ keep ]]
	run -0 ctckpt plan --json "$IMAGE"
	assert_contains "$output" '"decisions"'
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "restore: signals to a command in the foreground go to the container" {
	local status=0
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# Not by the function: the signal would go to its shell.
	"$CTCKPT" restore --pid-file "$BATS_TEST_TMPDIR/pid" "$IMAGE" &
	local foreground=$!
	"$AWAIT" -t 100 "$BATS_TEST_TMPDIR/pid"
	until [[ $(ctckpt ps --quiet) == "$VICTIM" ]]; do :; done
	kill -TERM "$foreground"
	wait "$foreground" || status=$?
	assert_equal "$status" 137
	assert_equal "$(ctckpt ps --quiet)" ""
}
