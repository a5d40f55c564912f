#!/usr/bin/env bats
# Names that a target chooses to mislead: each file is saved under its own, or refused by name.

load helper

@test "names: what looks like the kernel's own marks is a name" {
	victim_start names
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# refuses ARGUMENT TEXT
refuses() {
	victim_start names "$1"
	victim_refused "$2"
}

@test "names: an open file under a path that is too long" {
	refuses deep-file "descriptor 3: file under a path that is too long is not supported"
}

@test "names: a mapped file under a path that is too long" {
	refuses deep-mapping "the path of a mapped file is too long"
}

@test "names: a mapped deleted file under a path that is too long" {
	refuses deep-deleted "the path of a mapped file is too long"
}

@test "names: a current directory under a path that is too long" {
	refuses deep-directory "the path of its current directory is too long"
}

@test "names: an open file that a mount hides" {
	refuses hidden-file "$VICTIM_DIR/hidden/file does not lead to the file any more"
}

@test "names: a mapped file that a mount hides" {
	refuses hidden-mapping "mapped file $VICTIM_DIR/hidden/file was replaced or cannot be read"
}

@test "names: a mapped file that a mount hides, with one of the same inode number" {
	refuses hidden-twin "mapped file $VICTIM_DIR/hidden/file was replaced or cannot be read"
}

@test "names: a current directory that a mount hides" {
	refuses hidden-directory "its current directory $VICTIM_DIR/hidden is below a mount"
}

@test "names: an executable under a path that is too long" {
	refuses deep-program "the path of its executable is too long"
}

@test "names: an open file whose path leads through another file" {
	refuses below-file "$VICTIM_DIR/top/middle/file cannot be looked up: Not a directory"
}
