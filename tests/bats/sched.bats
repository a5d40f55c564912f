#!/usr/bin/env bats
load helper

@test "sched: policies, niceness, CPUs and I/O priorities of threads survive" {
	victim_start sched
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sched: the niceness of a whole session is refused by name" {
	local file
	victim_start sched
	file=/proc/$(container_pid "$VICTIM")/autogroup
	[[ -e $file ]] || skip "this kernel has no autogroups"
	[[ $(<"$file") != "$(</proc/self/autogroup)" ]]
	echo 5 >"$file"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "the niceness of a session as a whole (autogroup) is not supported"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

# scheduling NAME: a line for each thread of that container, which root's tools see from outside.
scheduling() {
	local tid pid
	pid=$(container_pid "$1")
	for tid in /proc/"$pid"/task/*; do
		tid=${tid##*/}
		echo "$(chrt -p "$tid" | sed 's/.*: //' | tr '\n' ' ')$(ionice -p "$tid") $(ps -L -o nice= \
			-q "$tid" | head -n 1)"
	done | sed 's/  */ /g'
}

# bats test_tags=root
@test "sched: an invoker in real time gives his own policy, up to his priority" {
	requires root
	local pid plan threads
	victim_start sched idle
	mapfile -t threads < <(basename -a /proc/"$(container_pid "$VICTIM")"/task/*)
	chrt -f -p 7 "${threads[0]}"
	chrt -f -p 3 "${threads[1]}"
	chrt -r -p 2 "${threads[2]}"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	in_real_time() {
		timeout 100 prlimit --rtprio=0 chrt -f 5 setpriv --bounding-set=-sys_nice,-sys_resource \
			--inh-caps=-sys_nice,-sys_resource "$CTCKPT" "$@"
	}
	run -0 in_real_time plan --policy same-host "$IMAGE"
	plan=$(tr -s ' ' <<<"$output")
	assert_contains "$plan" "sched saved rr invoker other -> drop"
	assert_contains "$plan" "rtprio saved 7 invoker 5 -> clamp 5"
	run -0 in_real_time restore --policy same-host --detach "$IMAGE"
	pid=$(container_pid "$VICTIM")
	mapfile -t threads < <(basename -a "/proc/$pid/task/"*)
	assert_contains "$(chrt -p "${threads[0]}")" "priority: 5"
	assert_contains "$(chrt -p "${threads[1]}")" "priority: 3"
	assert_contains "$(chrt -p "${threads[2]}")" "SCHED_OTHER"
	kill_tasks "$pid"
}

# bats test_tags=root
@test "sched: what only root may have stays with same-host, each thread its own" {
	requires root
	local before plan threads
	victim_start sched idle
	mapfile -t threads < <(basename -a /proc/"$(container_pid "$VICTIM")"/task/*)
	chrt -f -p 7 "${threads[0]}"
	chrt -r -p 9 "${threads[1]}"
	chrt -d --sched-runtime 1000000 --sched-deadline 50000000 --sched-period 100000000 \
		-p 0 "${threads[2]}"
	renice -n -7 -p "${threads[3]}" >/dev/null
	ionice -c 1 -n 3 -p "${threads[4]}"
	before=$(scheduling "$VICTIM")
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"

	run -0 ctckpt restore --policy same-host --detach "$IMAGE"
	assert_equal "$(scheduling "$VICTIM")" "$before"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"

	run -0 ctckpt plan "$IMAGE.2"
	plan=$(tr -s ' ' <<<"$output")
	assert_contains "$plan" "sched saved fifo invoker other -> drop rule strict/sched"
	assert_contains "$plan" "sched saved deadline invoker other -> drop"
	assert_contains "$plan" "rtprio saved 9 invoker 0 -> drop"
	assert_contains "$plan" "nice saved -7 invoker 0 -> clamp 0"
	assert_contains "$plan" "ioprio saved rt 3 invoker be 0 -> clamp be 0"
	run -0 ctckpt restore --detach "$IMAGE.2"
	[[ $(scheduling "$VICTIM") != *FIFO* ]]
	# As all others; with reset on fork, as before; and with best effort for real time.
	assert_equal "$(scheduling "$VICTIM" | sort -u | wc -l)" 3
	victim_succeeds
}
