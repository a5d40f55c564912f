#!/usr/bin/env bats
load helper
load roots

# survives VARIANT: on a file system that the container has mounted.
survives() {
	victim_start tmpfs "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach "$IMAGE"
	victim_succeeds
}

# root_survives VARIANT: in the /dev/shm of a container with a root directory.
root_survives() {
	root_start tmpfs "$1" /dev/shm
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach --rootfs "$ROOT" "$IMAGE"
	victim_succeeds
}

@test "tmpfs: files of all types, with modes, owners, times and attributes" {
	survives types
}

@test "tmpfs: 10000 small files" {
	survives many
}

@test "tmpfs: large and sparse files" {
	survives large
}

@test "tmpfs: files in use: open, deleted, mapped, the current directory" {
	survives open
}

@test "tmpfs: a running program lies there" {
	survives exe
}

@test "tmpfs: a whiteout" {
	survives whiteout
}

@test "tmpfs: /dev/shm of a container with a root directory" {
	root_survives types
}

@test "tmpfs: /dev/shm: large and sparse files" {
	root_survives large
}

@test "tmpfs: /dev/shm: files in use" {
	root_survives open
}

@test "tmpfs: through a pipe, compressed" {
	victim_start tmpfs large
	run -0 ctckpt checkpoint --compress zstd "$VICTIM" -o "$IMAGE"
	ctckpt restore --policy map --detach - <"$IMAGE"
	victim_succeeds
}

@test "tmpfs: one's own ids under the policy strict" {
	victim_start tmpfs types
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "tmpfs: too many directories in each other are refused" {
	victim_start tmpfs deep
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "d/d: it is too deep in directories"
	run -0 ctckpt ps --quiet
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "tmpfs: the files are the plan's: nothing is looked for in the invoker's own" {
	victim_start tmpfs open
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/mnt/log"
}
