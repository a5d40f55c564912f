#!/usr/bin/env bats
load helper

@test "signals: actions, ignored signals and masks survive" {
	victim_start signals
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "signals: a checkpoint leaves actions alone, SIG_IGN of SIGTRAP too" {
	victim_start signals
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
