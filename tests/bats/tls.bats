#!/usr/bin/env bats
load helper

@test "tls: a segment of set_thread_area survives in a program of 64 bits" {
	requires programs-32
	victim_start tls
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "tls: a segment of set_thread_area survives in a program of 32 bits" {
	requires programs-32
	victim_start 32/tls
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
