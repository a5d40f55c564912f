#!/usr/bin/env bats
load helper

@test "rlimits: all limits survive" {
	victim_start rlimits
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "rlimits: a limit that the invoker may not give is clamped" {
	victim_start rlimits clamped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 bash -c 'ulimit -n 256; exec "$1" restore --detach "$2"' - "$CTCKPT" "$IMAGE"
	victim_succeeds
}
