#!/usr/bin/env bats
# Kernels that can do less: what came after Linux 5.15 fails for ctckpt as it does there.
load helper

older() {
	run -0 "$BUILD/tests/tools/older" "$CTCKPT" "$@"
}

@test "older: memory is found where nothing scans for pages" {
	local victim
	for victim in mapping large; do
		rm -rf "${VICTIM_DIR:?}"/* "$IMAGE"
		victim_start "$victim"
		older checkpoint "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
		victim_succeeds
	done
}

@test "older: what older kernels have comes back without what they lack" {
	local victim
	for victim in large memfd mempolicy posix_timers prctl sysv_shm thread timerfd; do
		rm -rf "${VICTIM_DIR:?}"/* "$IMAGE"
		victim_start "$victim"
		older checkpoint "$VICTIM" -o "$IMAGE"
		older restore --detach "$IMAGE"
		victim_succeeds
	done
}
