#!/usr/bin/env bats
load helper

@test "descriptors: numbers, flags and what is shared survive" {
	victim_start descriptors
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

refuses() {
	victim_try blocked "$1"
	victim_refused "$2"
}

@test "descriptors: a deleted name of a file that has another one is refused" {
	refuses linked "does not lead to the file any more"
}

@test "descriptors: signals about a directory are refused" {
	refuses notify "F_NOTIFY is not supported"
}

@test "descriptors: a pidfd in flight is refused" {
	refuses flight "a pidfd in flight is not supported"
}

@test "descriptors: O_PATH on a file of a process is refused" {
	refuses proc "is a file of one process"
}

@test "descriptors: packets in a pipe are refused" {
	refuses packets "a pipe that holds packets"
}

@test "descriptors: an epoll that watches what no task has any more is refused" {
	refuses epoll "which no task has any more"
}

@test "descriptors: a ring of io_uring without a descriptor is refused by name" {
	refuses uring-number "a ring of io_uring that it has registered is not supported"
}

@test "descriptors: userfaultfd is refused by name" {
	refuses userfault "userfaultfd is not supported"
}

@test "descriptors: reasons that have no room in a refusal are counted" {
	local said
	ctckpt run --detach --name "$VICTIM" -- python3 -c 'import os, signal, sys
for n in range(40):
    os.open("/proc/self/mem", os.O_PATH)
open(sys.argv[1], "w")
signal.pause()' "$VICTIM_DIR/ready"
	victim_await ready
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	said=$(grep -o "is a file of one process" <<<"$output" | wc -l)
	((said > 0 && said < 40)) || fail "$said of 40 are named"
	assert_contains "$output" "; and $((40 - said)) more"
}
