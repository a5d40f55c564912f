#!/usr/bin/env bats
load helper

@test "identity: groups, sessions, orphans, zombies and stopped processes survive" {
	victim_start identity
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "identity: a checkpoint leaves the tree alone" {
	victim_start identity
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "identity: names, arguments, environment and directory survive" {
	victim_start process
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "identity: zombies stay although whoever restores ignores SIGCHLD" {
	victim_start identity
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 bash -c 'trap "" CHLD; exec "$1" restore --detach "$2"' - "$CTCKPT" "$IMAGE"
	victim_succeeds
}
