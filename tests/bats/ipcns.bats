#!/usr/bin/env bats
load helper

@test "ipcns: System V objects and message queues in ipc namespaces of single tasks come back" {
	victim_start ipcns
	for _ in 1 2; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "ipcns: the source goes on" {
	victim_start ipcns
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
