#!/usr/bin/env bats
load helper

@test "sched: policies, niceness, CPUs and I/O priorities of threads survive" {
	victim_start sched
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
