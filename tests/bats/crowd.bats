#!/usr/bin/env bats
# Kinds do not get in each other's way: a random third of all victims is alive in one container. A
# failure names the seed: CROWD_SEED brings it back.

# bats file_tags=cgroup,root

load helper

# Every kind's victim, but for the one that must be the first task, the one that is given what it
# holds from outside, the one that wants a root directory of its own, and another.
crowd_start() {
	local kind victims=() other=${1:-}
	while read -r kind _; do
		[[ $kind == @(container|external|file_system) || $kind == "$other" || ! -x $BUILD/victim/$kind ]] ||
			victims+=("$BUILD/victim/$kind")
	done < <(ctckpt kinds)
	((${#victims[@]} > 30)) || fail "only ${#victims[@]} victims"
	program_start crowd.py "${CROWD_SEED:-$RANDOM}" "${victims[@]}"
	cat "$VICTIM_DIR/log"
}

@test "crowd: a third of all victims comes back" {
	crowd_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	victim_succeeds
}

# inotify would see what the checkpoint reads of the others' files.
@test "crowd: a third of all victims goes on" {
	crowd_start inotify
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "crowd: a third of all victims, three generations" {
	crowd_start
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach --policy map "$IMAGE"
	done
	victim_succeeds
}
