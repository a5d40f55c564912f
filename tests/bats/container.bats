#!/usr/bin/env bats
load helper

@test "container: its name and its processes come back" {
	victim_start container
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "container: under another name, while the first one runs" {
	victim_start container
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-2" "$IMAGE"
	assert_equal "$output" "$VICTIM-2"
	assert_equal "$(ctckpt ps --quiet | sort)" "$VICTIM"$'\n'"$VICTIM-2"
	victim_succeeds
}

@test "container: where its name is taken, it gets a new one" {
	victim_start container
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	[[ -n $output && $output != "$VICTIM" ]]
	assert_equal "$(ctckpt ps --quiet | sort)" "$(printf '%s\n' "$VICTIM" "$output" | sort)"
	victim_succeeds
}

@test "container: a name that is asked for and taken is refused" {
	victim_start container
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -1 ctckpt restore --detach --name "$VICTIM" "$IMAGE"
	assert_contains "$output" "$VICTIM"
	victim_succeeds
}
