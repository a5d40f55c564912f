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

@test "confine: Landlock is refused by name, whatever it restricts" {
	requires landlock-6
	victim_start landlocked
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for pid in 2 3 4 5 6; do
		assert_contains "$output" "task $pid (landlocked): thread $pid is restricted by Landlock"
	done
	assert_contains "$output" "hint: tell the program not to restrict itself"
	[[ $output != *"thread 1 "* && ! -e $IMAGE ]]
	victim_succeeds
}

@test "confine: a single thread that Landlock restricts is refused by name" {
	requires landlock-1
	victim_start landlocked thread
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "task 1 (landlocked): thread 2 is restricted by Landlock"
	[[ $output != *"thread 1 "* ]]
	victim_succeeds
}

@test "confine: where Landlock cannot be looked for, that is said" {
	requires landlock-1 kernel-6.14
	victim_start landlocked crowd
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "task 1 (landlocked): whether thread 1 is restricted by Landlock cannot be told"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "confine: who is restricted like the container saves nothing" {
	requires landlock-4
	# shellcheck disable=SC2016 # the inner shell's
	run -3 "$BUILD/victim/landlocked" net bash -c '
		"$1" run --detach --name "$2" --log "$3/log" -- "$4" || exit
		"$1" checkpoint "$2" -o "$5"' - "$CTCKPT" "$VICTIM" "$VICTIM_DIR" "$BUILD/victim/idle" "$IMAGE"
	assert_contains "$output" "ctckpt is restricted by Landlock itself"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "task 1 (idle): thread 1 is restricted by Landlock"
}
