#!/usr/bin/env bats
load helper

@test "nsproxy: pid namespaces come back, with every pid in every one of them" {
	victim_start nsproxy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
