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

@test "identity: an orphan that shares with who adopted it is not put into that one's session" {
	victim_start identity shared
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "task 3 shares memory, descriptors, directories or signal handlers with tasks of which none can make it"
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

@test "identity: a zombie of a parent outside is no part of the container" {
	requires cmd-nsenter
	local init parent child
	victim_start idle
	init=$(container_pid "$VICTIM")
	# Its parent becomes a program that waits for nobody, and then it ends.
	# shellcheck disable=SC2016 # the inner shell's
	nsenter --preserve-credentials --user --pid --no-fork --target "$init" -- bash -c \
		'until [[ -e $1 ]]; do read -rt 0.1 <> <(:); done & exec sleep 1000' - "$BATS_TEST_TMPDIR/end" \
		</dev/null >/dev/null 2>&1 3>&- &
	parent=$!
	until [[ $(<"/proc/$parent/comm") == sleep ]]; do :; done
	child=$(<"/proc/$parent/task/$parent/children")
	child=${child% }
	: >"$BATS_TEST_TMPDIR/end"
	until [[ $(awk '$1 == "State:" { print $2 }' "/proc/$child/status") == Z ]]; do :; done
	[[ $(awk '$1 == "NSpid:" { print NF }' "/proc/$child/status") == 3 ]]

	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "saved 1 task,"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	init=$(container_pid "$VICTIM-twin")
	assert_equal "$(<"/proc/$init/task/$init/children")" ""
	# Until then, the first task would not come to its end.
	kill "$parent"
	victim_succeeds
	"$AWAIT" -p "$init"
}
