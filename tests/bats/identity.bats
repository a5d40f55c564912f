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

@test "identity: no thread of a stopped process runs" {
	victim_start stopped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "identity: that a process is stopped by another signal is said" {
	victim_start stopped terminal
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "task 2 is stopped by SIGSTOP, not by SIGTSTP"
	victim_succeeds
}

@test "identity: a checkpoint leaves a stopped process stopped" {
	victim_start stopped
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "identity: a stopped process stays stopped when what was restored is thawed" {
	victim_start stopped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --leave-frozen "$IMAGE"
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeds
}

@test "identity: and is saved again" {
	victim_start stopped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
