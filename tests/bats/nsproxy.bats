#!/usr/bin/env bats
load helper

@test "nsproxy: pid namespaces come back, with every pid in every one of them" {
	victim_start nsproxy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "nsproxy: three generations" {
	victim_start nsproxy
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "nsproxy: two containers from one image" {
	victim_start nsproxy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	kill_tasks "$(container_pid "$VICTIM-twin")"
	victim_succeeds
}
