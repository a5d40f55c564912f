#!/usr/bin/env bats
load helper

@test "io_uring: idle rings survive, with completions and requests in them" {
	victim_try io_uring
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "no kernel tells whether they had IORING_SETUP_SUBMIT_ALL"
	victim_succeeds
}

@test "io_uring: rings stay as they are in a program that goes on" {
	victim_try io_uring
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "io_uring: rings survive twice" {
	victim_try io_uring
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

# Several rings in one container: their names, and what is said of each.
refuses() {
	local -A said=()
	local name

	while (($# > 0)); do
		said[$1]=$2
		shift 2
	done
	victim_try io_uring "${!said[@]}"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for name in "${!said[@]}"; do
		[[ -e $VICTIM_DIR/missing-$name ]] || assert_contains "$output" "${said[$name]}"
	done
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "io_uring: requests in flight are refused" {
	refuses poll "1 requests wait for descriptors, the first with operation 6" \
		timeout "io_uring: 1 requests are in flight"
}

@test "io_uring: requests that may be in flight are refused" {
	refuses multishot "it has had timeouts with more than one completion: one may be in flight" \
		skipped "1 requests are in flight, or had no completion" \
		more "there were more completions than requests" \
		overflow "completions wait for room in its ring"
}

@test "io_uring: what is registered with a ring is refused" {
	refuses event "an eventfd is registered with it" files "files are registered with it" \
		buffers "buffers are registered with it" group "it has a group of buffers" \
		restricted "it is restricted"
}

@test "io_uring: rings that are served otherwise are refused" {
	refuses disabled "IORING_SETUP_R_DISABLED" thread "IORING_SETUP_SQPOLL" \
		polled "IORING_SETUP_IOPOLL" single "IORING_SETUP_SINGLE_ISSUER" \
		deferred "IORING_SETUP_DEFER_TASKRUN" short "the size of its requests cannot be told"
}
