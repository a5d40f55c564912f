# Root directories for containers. What is outside $ROOT/v, is /v inside.

# shellcheck disable=SC2034 # variables for the tests

# root_make PROGRAM: a root directory with a program and what it needs.
root_make() {
	local program=$1 file
	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT"/{bin,dev,proc,sys,tmp,mnt,v}
	cp "$program" "$ROOT/bin/"
	while read -r file; do
		mkdir -p "$ROOT$(dirname "$file")"
		cp -L "$file" "$ROOT$file"
	done < <(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+')
	VICTIM_DIR=$ROOT/v
}

# root_start VICTIM [ARGUMENT...]: like victim_start, in a root directory of its own.
root_start() {
	root_options_start "" "$@"
}

# root_options_start "OPTION..." VICTIM [ARGUMENT...]: with these options of run.
root_options_start() {
	local options=$1 program=$2 log
	shift 2
	root_make "$BUILD/victim/$program"
	log=$VICTIM_DIR/log
	# shellcheck disable=SC2086 # options are words
	VICTIM_DIR=/v ctckpt run --detach --name "$VICTIM" --rootfs "$ROOT" --log "$log" \
		$options -- "/bin/$program" "$@" >"$log.name" ||
		fail "container $VICTIM did not start" || return
	victim_await ready result || return
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
}

# root_move: the root directory is a copy, with other inodes.
root_move() {
	cp -a "$ROOT" "$BATS_TEST_TMPDIR/moved"
	rm -rf "$ROOT"
	ROOT=$BATS_TEST_TMPDIR/moved
	VICTIM_DIR=$ROOT/v
}
