#!/usr/bin/env bats
load helper

@test "stdio: restored as the invoker's own" {
	victim_start stdio
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	ctckpt restore --detach "$IMAGE" >"$VICTIM_DIR/after"
	victim_succeeds
}
