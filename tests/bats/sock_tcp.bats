#!/usr/bin/env bats
load helper

@test "sock_tcp: new, bound and listening sockets survive, with options and filter" {
	victim_start sock_tcp
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_tcp: the container that goes on is as it was" {
	victim_start sock_tcp
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

# refuses NAME FAMILY TYPE PROTOCOL
refuses() {
	local name=$1
	shift
	victim_start sock_tcp "$@"
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "$name is not supported"
}

@test "sock_tcp: MPTCP is refused by name" {
	refuses "MPTCP socket" 2 1 262
}

@test "sock_tcp: UDP-Lite is refused by name" {
	refuses "UDP-Lite socket" 2 2 136
}

@test "sock_tcp: VSOCK is refused by name" {
	refuses "vsock socket" 40 1 0
}
