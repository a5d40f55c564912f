#!/usr/bin/env bats
load helper

@test "keyring: keys do not come back, and that is said" {
	victim_start keyring
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "task 1: 1 keys of its process keyring are not saved"
	assert_contains "$output" "task 1: 1 keys of its session keyring are not saved"
	victim_succeeds
}

@test "keyring: a checkpoint leaves keys alone" {
	victim_start keyring
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "keyring: a session keyring of its own without keys is fresh, too" {
	victim_start keyring empty
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "task 1: 1 keys of its process keyring are not saved"
	[[ $output != *"session keyring"* ]]
	victim_succeeds
}
