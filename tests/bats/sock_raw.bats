#!/usr/bin/env bats
load helper

@test "sock_raw: sockets survive, with peers and filters" {
	victim_start sock_raw
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_raw: packets that were not read are refused" {
	victim_start sock_raw queued
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "raw packets in the queue of a socket"
	assert_contains "$stderr" "hint: let the program read them"
}
