#!/usr/bin/env bats
load helper

@test "unix_queue: data, datagrams, descriptors and credentials survive" {
	victim_start unix_queue
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "unix_queue: a checkpoint that goes on takes nothing out of the queues" {
	victim_start unix_queue
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
