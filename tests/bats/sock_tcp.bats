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
