#!/usr/bin/env bats
load helper

@test "confine: strict adds no_new_privs; threads keep what confines them" {
	victim_start confine strict
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "confine: map keeps no_new_privs of each thread" {
	victim_start confine map
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	victim_succeeds
}

@test "confine: a checkpoint leaves threads alone" {
	victim_start confine map
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "confine: a seccomp filter is refused by name, and no call is made under it" {
	victim_start filtered
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "its seccomp filter cannot be read by an ordinary user"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}
