#!/usr/bin/env bats
load helper

# Not detached, nothing says when the container is there.
victim_appears() {
	until [[ -n $(container_pid "$VICTIM") ]]; do :; done
}

@test "stdio: a detached restore has none" {
	victim_start stdio
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# A plain wait would wait for the time limit of bats too.
@test "stdio: pipes that lead outside become the invoker's own" {
	ctckpt run --name "$VICTIM" -- "$BUILD/victim/stdio" 3>&- 2>&1 | cat >"$VICTIM_DIR/log" 3>&- &
	victim_appears
	victim_await ready result
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run ctckpt plan "$IMAGE"
	assert_contains "$output" "descriptor 1"
	wait $!
	ctckpt restore "$IMAGE" 3>&- 2>&1 | cat >"$VICTIM_DIR/after" 3>&- &
	victim_appears
	victim_succeeds
	wait $!
	assert_equal "$(<"$VICTIM_DIR/log")" before
	assert_equal "$(grep after "$VICTIM_DIR/after")" $'after1\nafter2\nafter7'
}

@test "stdio: checkpoint and restore without any standard descriptor" {
	victim_start idle
	run -0 bash -c '"$1" checkpoint "$2" -o "$3" <&- 2>&-' - "$CTCKPT" "$VICTIM" "$IMAGE"
	run -0 bash -c '"$1" restore --detach "$2" <&- 2>&-' - "$CTCKPT" "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	# That nothing could be printed is all that fails.
	run -1 bash -c '"$1" restore --detach "$2" <&- >&- 2>&-' - "$CTCKPT" "$IMAGE.2"
	victim_succeeds
}
