#!/usr/bin/env bats
load helper

@test "pkeys: keys, mappings and rights of each thread survive, twice" {
	victim_try pkeys
	for _ in 1 2; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
		rm -f "$IMAGE.old"
		mv "$IMAGE" "$IMAGE.old"
	done
	victim_succeeds
}

@test "pkeys: a checkpoint leaves them alone" {
	victim_try pkeys
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
