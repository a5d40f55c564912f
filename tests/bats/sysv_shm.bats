#!/usr/bin/env bats
load helper

@test "sysv_shm: segments and all ways to attach them survive" {
	victim_start sysv_shm
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sysv_shm: a checkpoint leaves segments alone" {
	victim_start sysv_shm
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sysv_shm: the same from compressed pages" {
	victim_start sysv_shm
	run -0 ctckpt checkpoint --compress lz4 "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sysv_shm: the third generation is like the first" {
	victim_start sysv_shm
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}

@test "sysv_shm: a segment that would end by our attaching it survives" {
	victim_start sysv_shm forced
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# bats test_tags=root
@test "sysv_shm: huge pages are refused" {
	requires root # or the host's vm.hugetlb_shm_group
	victim_start sysv_shm huge
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "is of huge pages, which is not supported"
	victim_succeeds
}
