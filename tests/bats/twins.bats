#!/usr/bin/env bats
# One image gives any number of containers, which know nothing of each other.

# bats file_tags=cgroup

load helper

# The victim's files are shared by all its copies, so each must see its own answer.
@test "twins: two restores run beside the original" {
	victim_start idle
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-a" "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-b" "$IMAGE"

	local name pids=()
	for name in "$VICTIM" "$VICTIM-a" "$VICTIM-b"; do
		pids+=("$(container_pid "$name")")
	done
	[[ ${pids[0]} != "${pids[1]}" && ${pids[1]} != "${pids[2]}" ]]
	# The same task, by the pid that it knows of itself.
	for pid in "${pids[@]}"; do
		assert_equal "$(awk '/^NSpid/ { print $NF }' "/proc/$pid/status")" 1
	done
	victim_succeeds
	for pid in "${pids[@]}"; do
		"$AWAIT" -t 100 -p "$pid"
	done
}

@test "twins: without a name the second gets a new one" {
	victim_start idle
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	[[ $output != "$VICTIM" ]]
	run -0 ctckpt ps --quiet
	assert_equal "${#lines[@]}" 2
	victim_succeeds
}

@test "twins: a name in use is refused" {
	victim_start idle
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -1 --separate-stderr ctckpt restore --detach --name "$VICTIM" "$IMAGE"
	assert_contains "$stderr" "$VICTIM"
	assert_equal "$(ctckpt ps --quiet)" "$VICTIM"
	victim_succeeds
}
