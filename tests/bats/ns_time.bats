#!/usr/bin/env bats
load helper

@test "ns_time: clocks go on where they were" {
	victim_start ns_time
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_time: a checkpoint leaves clocks alone" {
	victim_start ns_time
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "ns_time: a second restore goes on where the second checkpoint was" {
	victim_start ns_time
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.1"
	run -0 ctckpt restore --detach "$IMAGE.1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}
