#!/usr/bin/env bats
load helper

@test "chardev: null, zero, full and urandom are opened again" {
	victim_start chardev
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
