#!/usr/bin/env bats
# Containers that go from one host to another, through a connection: no file of an image.
load helper
load roots

# shellcheck disable=SC2093,SC2086,SC2153 # texts of other shells, and variables of the helpers

PATH=$PATH:/usr/sbin:/sbin

setup() {
	test_setup
	SOURCE=$BATS_TEST_TMPDIR/source.sh
	OTHER=$BATS_TEST_TMPDIR/other
	mkdir "$OTHER"
	mkdir -m 0700 "$OTHER/run"
}

# migrate "OPTION..." PROGRAM [OPTION...]: a container of this program, in a root directory, starts on the first
# host and goes to the second, whose copy of the root directory is elsewhere. Options of
# checkpoint, and of restore.
migrate() {
	local options=$1 program=$2
	shift 2
	root_make "$BUILD/victim/$program"
	cp -a "$ROOT" "$OTHER/root"
	cat >"$SOURCE" <<-'END'
		set -e
		ctckpt=$1 await=$2 name=$3 root=$4 program=$5 options=$6
		VICTIM_DIR=/v "$ctckpt" run --detach --name "$name" --rootfs "$root" -- \
			"/bin/$program" >&2
		"$await" -t 100 "$root/v/ready"
		exec "$ctckpt" checkpoint $options "$name" -o -
	END
	run -0 timeout 100 unshare --user --map-current-user --keep-caps --net --mount \
		"$BATS_TEST_DIRNAME/../tools/hosts.py" build="$BUILD" srv="$OTHER" -- \
		sh "$SOURCE" "$CTCKPT" "$AWAIT" "$VICTIM" "$ROOT" "$program" "$options" -- \
		env XDG_RUNTIME_DIR=/srv/run /build/ctckpt restore --detach --rootfs /srv/root "$@" -
	assert_contains "$output" "$VICTIM"
}

# It verifies itself on the second host.
arrived() {
	assert_equal "$(ctckpt ps --quiet)" ""
	VICTIM_DIR=$OTHER/root/v XDG_RUNTIME_DIR=$OTHER/run victim_succeeds
	[[ ! -e $ROOT/v/result ]]
}

@test "migrate: from host to host, with other root directories" {
	migrate "" idle
	[[ -e $ROOT/v/ready && ! -e $OTHER/root/v/ready ]]
	arrived
}

@test "migrate: compressed, with pipes and what is in them" {
	migrate "--compress zstd" pipe
	arrived
}

# Sockets of paths, and the current directory, in what it has made since it started.
@test "migrate: with the files that the container has changed" {
	migrate "--file-system=/v" sock_unix --file-system
	[[ -e $OTHER/root/v/ready ]]
	arrived
}

@test "migrate: what the other host refuses is not lost" {
	local status=0
	root_make "$BUILD/victim/idle"
	mkdir -p "$OTHER/root"
	# The program is not there.
	VICTIM_DIR=/v ctckpt run --detach --name "$VICTIM" --rootfs "$ROOT" --log "$ROOT/v/log" -- \
		/bin/idle >"$BATS_TEST_TMPDIR/name"
	victim_await ready
	bash -o pipefail -c '"$1" checkpoint --leave-stopped "$2" -o - |
		"$1" restore --detach --rootfs "$3" -' - "$CTCKPT" "$VICTIM" "$OTHER/root" || status=$?
	assert_equal "$status" 3
	run -0 ctckpt thaw "$VICTIM"
	victim_succeeds
}
