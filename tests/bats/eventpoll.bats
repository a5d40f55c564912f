#!/usr/bin/env bats
load helper

@test "eventpoll: watched files survive, moved and nested ones too" {
	victim_start eventpoll
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
