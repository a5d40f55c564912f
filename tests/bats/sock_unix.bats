#!/usr/bin/env bats
load helper

@test "sock_unix: pairs, listening sockets, connections and names survive" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
