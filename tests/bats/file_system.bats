#!/usr/bin/env bats
# Files of the root directory that are carried along.

# shellcheck disable=SC2034 # variables of the helpers

load helper
load forged
load roots

setup() {
	test_setup
	EVIL=$BATS_TEST_TMPDIR/forged.ckpt
	OTHER=$BATS_TEST_TMPDIR/other
}

# data_fill DIR: what the victim begins with.
data_fill() {
	local name
	mkdir -p "$1/data/emptied"
	for name in kept altered removed emptied/a emptied/b turned; do
		printf %s "$name" >"$1/data/$name"
	done
}

# data_make: in $ROOT, and the same in $OTHER.
data_make() {
	root_make "$BUILD/victim/file_system"
	data_fill "$ROOT"
	cp -a "$ROOT" "$OTHER"
}

# data_saved [OPTION...]: the image of a container that has altered its files.
data_saved() {
	data_make
	root_start file_system
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" "$@"
}

other_succeeds() {
	VICTIM_DIR=$OTHER/v victim_succeeds
}

@test "file_system: paths that are named go along, to another root directory" {
	data_saved --file-system=/data
	run -0 ctckpt plan --rootfs "$OTHER" --file-system "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" \
		"files below the root saved 13 files, 1 of them set-id invoker put there, without set-id -> keep rule strict/file_system"
	# Whatever is in the way.
	mkdir -p "$OTHER/data/large/x/y" "$OTHER/data/emptied/d/e"
	echo precious >"$BATS_TEST_TMPDIR/precious"
	ln "$BATS_TEST_TMPDIR/precious" "$OTHER/data/fifo"
	ln -sf "$BATS_TEST_TMPDIR/precious" "$OTHER/data/altered"
	run -0 --separate-stderr ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	assert_contains "$stderr" "ctckpt: note: 1 files of / have lost set-id bits or capabilities"
	assert_equal "$(<"$BATS_TEST_TMPDIR/precious")" precious
	other_succeeds
}

@test "file_system: through a pipe, compressed" {
	data_saved --compress zstd --file-system=/data
	ctckpt restore --detach --rootfs "$OTHER" --file-system - <"$IMAGE"
	other_succeeds
}

@test "file_system: a frozen container" {
	data_make
	root_start file_system
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data
	run -0 ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	other_succeeds
}

@test "file_system: nothing is put anywhere unless it is asked for" {
	local before
	data_saved --file-system=/data
	before=$(cd "$OTHER" && find . | sort)
	run -3 --separate-stderr ctckpt restore --detach --rootfs "$OTHER" "$IMAGE"
	assert_contains "$stderr" "files below the root: they would be put below the root directory"
	assert_contains "$stderr" "hint: --file-system lets them, with --rootfs"
	assert_equal "$(cd "$OTHER" && find . | sort)" "$before"
	# Without them, the open file is missing.
	rm "$IMAGE"
}

@test "file_system: more large files than may be open are refused" {
	local i
	root_make "$BUILD/victim/idle"
	mkdir "$ROOT/data"
	cp -a "$ROOT" "$OTHER"
	head -c 20000 /dev/zero | tr '\0' x >"$ROOT/large"
	for i in {1..150}; do
		cp "$ROOT/large" "$ROOT/data/$i"
	done
	root_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data
	run -3 --separate-stderr bash -c 'ulimit -n 256 && "$@"' - \
		"$CTCKPT" restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	assert_contains "$stderr" "large files among them are open until their content is there"
	[[ -z $(ls "$OTHER/data") ]]
	run -0 ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	VICTIM_DIR=$OTHER/v victim_succeeds
	diff -r "$ROOT/data" "$OTHER/data"
}

@test "file_system: what cannot go along is refused by name" {
	data_make
	root_start file_system
	run -3 --separate-stderr ctckpt checkpoint --leave-running --file-system "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "the root directory is no overlay"
	run -3 --separate-stderr ctckpt checkpoint --leave-running --file-system=/data,/none \
		"$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "/none: it is to be carried along, and is not there"
	local paths
	for paths in data /data/.. /a//b / /a/ ""; do
		[[ -n $paths ]] || paths=/a,
		run -2 ctckpt checkpoint --leave-running --file-system="$paths" "$VICTIM" -o "$IMAGE"
	done
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data
	run -0 ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	other_succeeds
}

@test "file_system: a container without a root directory has none" {
	victim_start idle
	run -3 --separate-stderr ctckpt checkpoint --file-system=/tmp "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "by a container without a root directory of its own"
	victim_succeeds
}

# An overlay, as engines mount it, in a user namespace; all commands run in there.
@test "file_system: the upper directory of an overlay" {
	local top=$BATS_TEST_TMPDIR/overlay
	data_make
	mkdir -p "$top"/{upper,work,root}
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		set -e
		ctckpt=$1 await=$2 name=$3 base=$4 top=$5 image=$6 other=$7
		mount -t overlay overlay -o \
			"userxattr,lowerdir=$base,upperdir=$top/upper,workdir=$top/work" "$top/root" 2>/dev/null ||
			exit 77
		VICTIM_DIR=/v "$ctckpt" run --detach --name "$name" --rootfs "$top/root" -- \
			/bin/file_system
		"$await" -t 100 "$top/root/v/ready"
		"$ctckpt" checkpoint --file-system "$name" -o "$image"
		# Directories of a lower layer cannot be moved: they are made again.
		look() {
			(cd "$top/new" && find . -printf '%p %y %m %U:%G %T@ %s %l\n' | sort)
		}
		mkdir "$top/upper2" "$top/work2" "$top/new"
		rm "$other/data/removed"
		mkdir -p "$other/data/removed/deep/deeper"
		echo deep >"$other/data/removed/deep/file"
		chmod 0710 "$other/data/removed/deep"
		touch -d 2001-02-03 "$other/data/removed/deep" "$other/data/removed"
		mount -t overlay overlay -o \
			"userxattr,lowerdir=$other,upperdir=$top/upper2,workdir=$top/work2" "$top/new"
		look >"$top/before"
		"$ctckpt" restore --detach --rootfs "$top/new" --file-system --pid-file /none/pid \
			"$image" && exit 1
		look | diff "$top/before" -
		cat "$top/new/data/removed/deep/file"
		exec "$ctckpt" restore --detach --rootfs "$other" --file-system "$image"
	END
	run timeout 100 unshare --user --map-root-user --mount sh "$BATS_TEST_TMPDIR/script" \
		"$CTCKPT" "$AWAIT" "$VICTIM" "$ROOT" "$top" "$IMAGE" "$OTHER"
	[[ $status != 77 ]] || skip "no overlay in a user namespace here"
	assert_equal "$status" 0 || fail "$output"
	assert_contains "$output" deep
	# The lower directory is as it was; of the other one, what nobody touched.
	assert_equal "$(<"$ROOT/data/removed")" removed
	[[ -e $OTHER/v/ready && ! -e $OTHER/data/removed ]]
	other_succeeds
	chmod -R u+rwx "$top"
}

@test "file_system: impossible records" {
	data_saved --file-system=/data
	FORGED_OPTIONS=(--rootfs "$OTHER" --file-system)
	rejects 4 "tree: " FSYS+0:4=0
	rejects 4 "tree: " FSYS+4:4=1
	# The flags of the root, of a directory and of a file.
	rejects 4 "entry 1 is impossible" FSYS+76:4=3
	rejects 4 "entry 1 is impossible" FSYS+76:4=4
	rejects 4 "entry 1 is impossible" FSYS+12:4=0x81a4
	[[ -e $OTHER/data/removed ]]
}

# data_block: in $OTHER, something of each kind is in the way.
data_block() {
	mkdir -p "$OTHER/data/large/x/y" "$OTHER/data/emptied/d/e"
	echo precious >"$OTHER/data/large/x/y/z"
	echo new >"$OTHER/data/emptied/d/e/f"
	ln -s nowhere "$OTHER/data/other name"
	mkfifo "$OTHER/data/set"
	ln "$OTHER/data/kept" "$OTHER/data/fifo"
	chmod 0751 "$OTHER/data/emptied"
	touch -d "2001-02-03 04:05:06.7" "$OTHER/data/emptied/d" "$OTHER/data/emptied" \
		"$OTHER/data/turned" "$OTHER/data"
	touch -d "2002-02-03 04:05:06.7" "$OTHER"
}

# data_look: all that can be seen in $OTHER, inodes and times included.
data_look() {
	(cd "$OTHER" && find . -printf '%p %y %i %n %m %U:%G %T@ %s %l\n' | sort &&
		find . -type f -exec md5sum {} + | sort)
}

@test "file_system: a restore that fails afterwards leaves the root directory as it was" {
	local before text
	data_saved --file-system=/data
	data_block
	before=$(data_look)
	run -1 --separate-stderr ctckpt restore --detach --rootfs "$OTHER" --file-system \
		--pid-file "$BATS_TEST_TMPDIR/none/pid" "$IMAGE"
	assert_contains "$stderr" "No such file or directory"
	assert_equal "$(data_look)" "$before"
	# The first task is not there any more, or nothing of the restore but what undoes it.
	# shellcheck disable=SC2016 # not here
	for text in 'kill -KILL "$TASK"' 'kill -KILL "$WORKER"'; do
		run -1 --separate-stderr "$BATS_TEST_DIRNAME/../tools/midway.py" \
			"set umask" "[[ -e '$OTHER/data/emptied/c' ]]; $text" -- \
			"$CTCKPT" restore --debug --detach --rootfs "$OTHER" --file-system "$IMAGE"
		assert_equal "$(data_look)" "$before"
		assert_equal "$(ctckpt ps --quiet --engine ctckpt)$(test_tasks)" ""
	done
	# What a restore has left that was killed as a whole.
	mkdir "$OTHER/.ctckpt-files-0123456789abcdef"
	run -0 --separate-stderr ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	assert_contains "$stderr" \
		"/.ctckpt-files-0123456789abcdef has what another restore has replaced, which goes on or was killed"
	assert_equal "$(cd "$OTHER" && echo .ctckpt*)" .ctckpt-files-0123456789abcdef
	other_succeeds
}

# Only the container's root may put back what other ids of its ranges own.
@test "file_system: files of other ids come back, too" {
	requires user subuid
	local before as_another=(unshare --user --map-root-user --map-auto)
	data_make
	VICTIM_DIR=/v ctckpt run --userns auto --detach --name "$VICTIM" --rootfs "$ROOT" \
		--log "$ROOT/v/log" -- \
		/bin/file_system >"$VICTIM_DIR/name"
	victim_await ready
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data
	data_block
	"${as_another[@]}" chown -hR 33:34 "$OTHER/data/large" "$OTHER/data/emptied" "$OTHER/data/kept" \
		"$OTHER/data/altered"
	"${as_another[@]}" chmod 0700 "$OTHER/data/large/x"
	before=$("${as_another[@]}" bash -c "$(declare -f data_look); OTHER=$OTHER data_look")
	# shellcheck disable=SC2016 # not here
	run -1 --separate-stderr "$BATS_TEST_DIRNAME/../tools/midway.py" "set umask" \
		'kill -KILL "$WORKER"' -- "$CTCKPT" restore --debug --detach --policy map \
		--rootfs "$OTHER" --file-system "$IMAGE"
	assert_equal "$("${as_another[@]}" bash -c "$(declare -f data_look); OTHER=$OTHER data_look")" "$before"
	ctckpt restore --detach --policy map --rootfs "$OTHER" --file-system "$IMAGE"
	other_succeeds
	"${as_another[@]}" rm -r "$OTHER/data"
}

# The names in an image lead nowhere but below the root, and to no mount.
@test "file_system: a name that leads to a mount" {
	local before
	root_make "$BUILD/victim/idle"
	mkdir "$ROOT/work"
	data_fill "$ROOT"
	cp -a "$ROOT" "$OTHER"
	rm -r "$OTHER/data/emptied"
	root_start idle
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data,/work
	FORGED_OPTIONS=(--rootfs "$OTHER" --file-system)
	forge "$(place_of work)=@proc"
	before=$(data_look)
	restore_forged
	assert_equal "$status" 1
	assert_contains "$stderr" "Invalid cross-device link"
	assert_equal "$(data_look)" "$before"
	assert_equal "$(test_tasks)" ""
}

# bats test_tags=root
@test "file_system: a container of runc on an overlay" {
	requires root
	local top=$BATS_TEST_TMPDIR/overlay
	load engine
	engine_setup
	engine_requires runc
	bundle_victim file_system
	data_fill "$ROOTFS"
	cp -a "$ROOTFS" "$OTHER"
	mkdir -p "$top"/{upper,work,root}
	mount -t overlay overlay -o \
		"lowerdir=$ROOTFS,upperdir=$top/upper,workdir=$top/work" "$top/root" ||
		skip "no overlay here"
	bundle_edit 'config["root"]["path"] = arguments[0]' "$top/root"
	VICTIM_DIR=$top/root/v
	bundle_start runc "$VICTIM"
	engine_await ready result
	engine_checkpoint "$VICTIM" --file-system
	run -0 ctckpt restore --policy map --detach --name "$VICTIM" --rootfs "$OTHER" --file-system \
		"${VOLUMES[@]}" "$IMAGE"
	umount -l "$top/root"
	[[ ! -e $OTHER/data/removed ]]
	VICTIM_DIR=$OTHER/v victim_succeeds
}
