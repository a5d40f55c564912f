#!/usr/bin/env bats
load helper

@test "io_uring_map: rings are where they were, in all processes that share them" {
	victim_try io_uring_map
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

@test "io_uring_map: a program that goes on has its rings" {
	victim_try io_uring_map
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

refuses() {
	victim_try io_uring_map "$1"
	victim_refused "$2"
}

@test "io_uring_map: a mapping that was cut is refused" {
	refuses cut "of a ring of io_uring was cut, advised, or is private"
}

@test "io_uring_map: a private mapping is refused" {
	refuses private "of a ring of io_uring was cut, advised, or is private"
}

@test "io_uring_map: a ring without a descriptor is refused" {
	refuses closed "is of a ring of io_uring without a descriptor"
}
