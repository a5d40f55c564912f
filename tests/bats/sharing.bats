#!/usr/bin/env bats
# bats file_tags=cgroup

load helper

@test "sharing: memory, descriptors, directories and handlers are still shared" {
	victim_start sharing
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sharing: the original goes on" {
	victim_start sharing
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sharing: three generations" {
	victim_start sharing
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "sharing: memory is saved once" {
	victim_start sharing
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt inspect --records "$IMAGE"
	# Seven processes: the parent with two, one with a sibling, and two alone.
	assert_equal "$(grep -c identity <<<"$output") $(grep -c 'mapping' <<<"$output")" "7 4"
	victim_succeeds
}

# forged PLACE=VALUE MESSAGE
forged() {
	run -0 "$BUILD/tests/forge" edit "$IMAGE" "$IMAGE.forged" "$1"
	run -4 --separate-stderr ctckpt inspect "$IMAGE.forged"
	assert_contains "$stderr" "$2"
}

@test "sharing: impossible groups are refused" {
	victim_start sharing
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	forged SHAR+0:4=0 "sharing: descriptors with no task in front of it"
	forged SHAR+4:4=99999 "sharing: current directory with no task in front of it"
	forged SHAR+12:4=1 "sharing: unknown bits"
}

@test "sharing: what is shared with processes outside is refused by name" {
	local pid children
	"$BUILD/victim/sharing" </dev/null >/dev/null 2>&1 &
	pid=$!
	"$AWAIT" -p "$pid" "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
	read -r -a children < <(cat "/proc/$pid/task/$pid/children" && echo)
	assert_equal "${#children[@]}" 6
	refuses() {
		run -3 ctckpt checkpoint "pid:${children[$1]}" -o "$IMAGE"
		assert_contains "$output" \
			"(sharing): it shares $2 with process $3, which is outside of the container"
		[[ ! -e $IMAGE ]]
	}
	refuses 0 memory "$pid"
	refuses 1 descriptors "$pid"
	refuses 2 "a current directory" "$pid"
	# Whose parent does not share it: a sibling does.
	refuses 5 memory "${children[4]}"
	: >"$VICTIM_DIR/go"
	wait "$pid"
	assert_equal "$(<"$VICTIM_DIR/result")" ok
}
