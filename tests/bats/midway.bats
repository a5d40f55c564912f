#!/usr/bin/env bats
# Somebody interferes in the middle of a restore: it ends, and says why, and leaves nothing behind.
load helper

# midway TEXT ACTION...: a restore, while which something is done. See tests/tools/midway.py.
midway() {
	run --separate-stderr timeout --foreground 170 "$BATS_TEST_DIRNAME/../tools/midway.py" "$@" \
		-- "$CTCKPT" restore --debug --detach "$IMAGE"
}

# fails_midway STATUS PATTERN TEXT ACTION...: it ends with this status and words like these.
fails_midway() {
	local wanted=$1 words=$2
	shift 2
	midway "$@"
	# shellcheck disable=SC2053 # a pattern
	[[ "$status ${stderr##*"$IMAGE: "}" == "$wanted "$words ]] ||
		fail "$1: ends with $status: ${stderr##*"$IMAGE: "}" || return
	assert_equal "$(ctckpt ps --quiet --engine ctckpt)$(test_tasks)" ""
}

victim_saved() {
	victim_start "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
}

# shellcheck disable=SC2016 # $TASK is for midway.py
@test "midway: what is not as planned afterwards" {
	# The last lines but two: the task has become what it is to be, and was not looked at.
	local last="set timer slack"
	victim_saved eventfd
	fails_midway 1 "task 1: its niceness is 19, not $(nice) as planned" \
		"$last" 'renice -n 19 -p "$TASK"'
	fails_midway 1 "task 1: its scheduling policy is 3, not 0 as planned" \
		"$last" 'chrt --batch --pid 0 "$TASK"'
	fails_midway 1 "task 1: limit 7 is not as planned" "$last" 'prlimit --pid "$TASK" --nofile=7'
	fails_midway 1 "task 1: oom_score_adj is not as planned" \
		"$last" 'echo 999 >/proc/$TASK/oom_score_adj'
}

# cut_midway WORDS TEXT ACTION...: the image is cut when a line has TEXT. All of it has been verified
# then, by processes that were not there when the first line was written: only who reads it again
# can find it.
cut_midway() {
	local words=$1 text=$2
	shift 2
	export IMAGE BEFORE=$BATS_TEST_TMPDIR/before
	# shellcheck disable=SC2016 # not here
	fails_midway 4 "${words}the image is cut within its pages" \
		unmap 'ps --ppid "$WORKER" -o pid= | tr -d " " >"$BEFORE"' \
		"$text" 'while ps --ppid "$WORKER" -o pid=,stat= | grep -vwFf "$BEFORE" | grep -qv Z; do
				sleep 0.01
			done
			truncate -s 4096 "$IMAGE"' "$@"
}

@test "midway: an image that is cut while memory is read" {
	victim_saved scattered
	cut_midway "task 1: " "read pages"
}

@test "midway: an image that is cut while files are read" {
	victim_saved scattered
	cut_midway "" "set times of a file"
}

# It is whole again once the first of them were read.
@test "midway: an image that is cut while huge pages are read" {
	requires kernel-6.8
	grep -qF "[madvise]" /sys/kernel/mm/transparent_hugepage/enabled || skip "no huge pages"
	victim_saved large
	cp "$IMAGE" "$IMAGE.whole"
	# shellcheck disable=SC2016
	cut_midway "task 1: " "map a window" "read pages" 'cat "$IMAGE.whole" >"$IMAGE"'
}

@test "midway: a task that is killed" {
	local text
	victim_saved process
	for text in "map" "read pages" "set timer slack"; do
		# shellcheck disable=SC2016
		fails_midway 1 "*task*: No such process" "$text" 'kill -KILL "$TASK"'
	done
}
