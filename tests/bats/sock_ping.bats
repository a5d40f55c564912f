#!/usr/bin/env bats
load helper

@test "sock_ping: sockets survive, with identifiers and peers" {
	victim_start sock_ping
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
