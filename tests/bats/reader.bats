#!/usr/bin/env bats
# Images are read in a process that can do nothing else, and up to limits that only the invoker
# raises.

load helper

# Each command that reads an image.
COMMANDS=(verify inspect plan "restore --detach")

setup() {
	test_setup
	FIFO=$BATS_TEST_TMPDIR/fifo
}

# The image without its end, through a pipe that stays open; $PID is a verify that waits for more,
# and $READER its reader.
verify_waits() {
	mkfifo "$FIFO"
	"$CTCKPT" verify - <"$FIFO" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	PID=$!
	exec 9>"$FIFO"
	head -c "$(($(stat -c %s "$IMAGE") - 100))" "$IMAGE" >&9
	# The first one looks at the metadata, and ends without ever sleeping.
	until READER=$(cat "/proc/$PID/task/$PID/children") && READER=${READER% } && [[ -n $READER ]] &&
		grep -q "^State:.S" "/proc/$READER/status" 2>/dev/null; do
		[[ -e /proc/$PID ]] || return
	done
}

verify_ends() {
	local status=0
	exec 9>&-
	wait "$PID" || status=$?
	assert_equal "$status" "$1"
	assert_contains "$(<"$BATS_TEST_TMPDIR/said")" "$2"
}

@test "reader: what it is, seen from outside" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	verify_waits
	assert_contains "$(<"/proc/$READER/status")" $'Seccomp:\t2'
	assert_contains "$(<"/proc/$READER/status")" $'NoNewPrivs:\t1'
	# Not even its own user may look closer.
	((EUID == 0)) || run -1 find "/proc/$READER/fd" -type l
	verify_ends 4 "cut off"
}

@test "reader: its death is a damaged image" {
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	verify_waits
	kill -KILL "$READER"
	verify_ends 4 "verify standard input: the reader of pages was killed by signal 9 (Killed)"
}

@test "reader: where it cannot be confined, it does not read" {
	local command
	victim_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for command in "${COMMANDS[@]}"; do
		# shellcheck disable=SC2086 # a command and its option
		run -5 --separate-stderr "$BUILD/tests/tools/nofilter" "$CTCKPT" $command "$IMAGE"
		assert_contains "$stderr" \
			"confine the reader of the image: there are no seccomp filters to be had here"
		assert_contains "$stderr" "hint: --unconfined-reader reads it without a filter: for images of your own only"
	done
	run -0 "$BUILD/tests/tools/nofilter" "$CTCKPT" verify --unconfined-reader "$IMAGE"
	run -0 "$BUILD/tests/tools/nofilter" "$CTCKPT" inspect --unconfined-reader "$IMAGE"
	run -0 "$BUILD/tests/tools/nofilter" "$CTCKPT" plan --unconfined-reader "$IMAGE"
	run "$BUILD/tests/tools/nofilter" "$CTCKPT" check
	assert_contains "$output" "confined_reader"
}

@test "reader: limits that only the invoker raises" {
	local command row
	local rows=(
		"tasks=1|tasks are more than the limit of 1|tasks="
		"mappings=9|mappings are more than the limit of 9|mappings="
		"descriptors=2|descriptors are more than the limit of 2|descriptors="
		"records=9|10 records are more than the limit of 9|records=10"
		"metadata=1K|bytes of metadata are more than the limit of 1024|metadata="
		"pages=4K|bytes of pages are more than the limit of 4096|pages="
	)
	victim_start thread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for row in "${rows[@]}"; do
		IFS='|' read -r limit says hint <<<"$row"
		for command in "${COMMANDS[@]}"; do
			# shellcheck disable=SC2086 # a command and its option
			run -3 --separate-stderr ctckpt $command --limit "$limit" "$IMAGE"
			assert_contains "$stderr" "$says"
			assert_contains "$stderr" "hint: where that is meant: --limit $hint"
		done
	done
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 ctckpt verify --limit tasks=1 --limit tasks=100 --limit pages=1G "$IMAGE"
	run -0 ctckpt restore --detach --limit tasks=100 "$IMAGE"
	victim_succeeds
}

@test "reader: limits that are none" {
	run -2 --separate-stderr ctckpt verify --limit lies=1 image
	assert_contains "$stderr" "limit lies=1 is not known"
	assert_contains "$stderr" "hint: it can be metadata, pages, ratio, records, tasks, mappings, descriptors"
	for limit in tasks tasks= tasks=0 tasks=-1 tasks=1K tasks=0x10 pages=1X pages=99999999999T \
		pages=1KK; do
		run -2 --separate-stderr ctckpt plan --limit "$limit" image
		assert_contains "$stderr" "limit $limit: not a positive number"
	done
}
