#!/usr/bin/env bats
load helper

@test "sock_udp: sockets survive, with datagrams, groups and options" {
	victim_start sock_udp
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_udp: the container that goes on is as it was" {
	victim_start sock_udp
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sock_udp: a datagram that is not whole is refused" {
	victim_start sock_udp corked
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "a UDP socket with a datagram that is not whole yet"
	assert_contains "$stderr" "hint: let the program send it"
}
