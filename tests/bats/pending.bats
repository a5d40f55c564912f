#!/usr/bin/env bats
load helper

@test "pending: queues survive, with all that senders said" {
	victim_start pending
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "pending: a checkpoint leaves queues alone" {
	victim_start pending
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
