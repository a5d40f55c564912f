#!/usr/bin/env bats
load helper

@test "memfd: content, holes and seals survive" {
	victim_start memfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "memfd: sealed ones that are mapped" {
	victim_start memfd_mapped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
