#!/usr/bin/env bats
load helper

@test "aio: contexts and events that nobody has taken survive" {
	victim_start aio
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "aio: contexts stay as they are in a program that goes on" {
	victim_start aio
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "aio: contexts survive twice" {
	victim_start aio
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

refuses() {
	victim_start aio "$1"
	victim_refused "$2"
}

@test "aio: a request in flight is refused" {
	refuses flight "are in flight"
}

@test "aio: a ring that came by fork is refused" {
	refuses inherited "is of an AIO context that it does not have"
}

@test "aio: a ring that is protected is refused" {
	refuses protected "was cut, protected or advised"
}
