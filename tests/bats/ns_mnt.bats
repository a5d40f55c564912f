#!/usr/bin/env bats
load helper

@test "ns_mnt: the namespace and its proc come back" {
	victim_start ns_mnt
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_mnt: another mount is refused" {
	victim_start ns_mnt mount
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "mount /mnt (ramfs) is not supported"
	victim_succeeds
}

@test "ns_mnt: a mount that is gone is none" {
	victim_start ns_mnt again
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
