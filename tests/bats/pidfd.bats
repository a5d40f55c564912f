#!/usr/bin/env bats
load helper

@test "pidfd: processes and threads, zombies and dead ones survive" {
	victim_start pidfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "pidfd: a process outside of the container is refused by name" {
	local run
	requires cmd-python3
	cat >"$BATS_TEST_TMPDIR/give" <<-'END'
		import os, sys
		pidfd = os.pidfd_open(os.getpid())
		os.dup2(pidfd, 0)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	python3 "$BATS_TEST_TMPDIR/give" "$CTCKPT" run --name "$VICTIM" -- "$BUILD/victim/idle" \
		>"$VICTIM_DIR/log" 2>&1 &
	run=$!
	"$AWAIT" -t 100 "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "pidfd of "
	assert_contains "$output" "outside of the container"
	victim_succeeds
	wait "$run"
}
