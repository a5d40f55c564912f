#!/usr/bin/env bats
load helper
load roots

# survives VARIANT...: in the invoker's view of the file system.
survives() {
	victim_start ns_mnt "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach "$IMAGE"
	victim_succeeds
}

# root_survives VARIANT...: in a root directory of its own.
root_survives() {
	root_start ns_mnt "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach --rootfs "$ROOT" "$IMAGE"
	victim_succeeds
}

@test "ns_mnt: the namespace and its proc come back" {
	survives
}

@test "ns_mnt: with a root directory" {
	root_survives
}

@test "ns_mnt: a mount that is gone is none" {
	survives again
}

@test "ns_mnt: flags of mounts" {
	survives flags
}

@test "ns_mnt: directories and files mounted elsewhere, read-only" {
	survives bind
}

@test "ns_mnt: a part of what is read-only around it" {
	survives way
}

@test "ns_mnt: mounts over mounts" {
	survives over
}

@test "ns_mnt: shared, slave and unbindable mounts" {
	survives shared
}

@test "ns_mnt: proc, sysfs, devpts, mqueue and cgroup2" {
	survives kernel
}

@test "ns_mnt: an overlay" {
	survives overlay
}

@test "ns_mnt: another root" {
	survives pivot
}

@test "ns_mnt: with a root directory: mounts of all sorts" {
	root_survives flags bind over shared kernel overlay
}

@test "ns_mnt: with a root directory: another root" {
	root_survives pivot
}

@test "ns_mnt: with a root directory: what was made for it is unmounted and moved" {
	root_survives gone
}

@test "ns_mnt: another root directory, with other inodes" {
	root_start ns_mnt flags bind over shared
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	root_move
	run -0 ctckpt restore --policy map --detach --rootfs "$ROOT" "$IMAGE"
	victim_succeeds
}

@test "ns_mnt: the container goes on, and its twin as well" {
	victim_start ns_mnt over overlay shared
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach --name "$VICTIM-2" "$IMAGE"
	assert_equal "$(ctckpt ps --quiet | sort)" "$VICTIM"$'\n'"$VICTIM-2"
	kill_tasks "$(container_pid "$VICTIM-2")"
	victim_succeeds
}

@test "ns_mnt: three generations" {
	root_start ns_mnt flags bind over shared kernel overlay
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --policy map --detach --rootfs "$ROOT" "$IMAGE"
	done
	victim_succeeds
}

@test "ns_mnt: a file system that is not known is refused" {
	victim_start ns_mnt ramfs
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "mount /mnt (ramfs) is not supported"
	victim_succeeds
}

@test "ns_mnt: more mounts than an image may hold are refused" {
	victim_start ns_mnt many
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	[[ $output == *" 1"[0-9][0-9][0-9]" mounts of its own are not supported"* ]] || fail "$output"
	victim_succeeds
}

@test "ns_mnt: more mounts than are looked at are refused" {
	victim_start ns_mnt crowd
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	[[ $output == *" 8"[0-9][0-9][0-9]" mounts are not supported"* ]] || fail "$output"
	victim_succeeds
}

@test "ns_mnt: an open file below a mount is refused" {
	victim_start ns_mnt hidden
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "hidden/file does not lead to the file any more"
	victim_succeeds
}

@test "ns_mnt: a current directory below a mount is refused" {
	victim_start ns_mnt cwd
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "its current directory $VICTIM_DIR/cwd is below a mount"
	victim_succeeds
}

# volume_start [OPTION...]: a victim with a directory of the host, which has a file in it.
volume_start() {
	DATA=$BATS_TEST_TMPDIR/data
	mkdir "$DATA"
	echo text >"$DATA/file"
	root_options_start "--volume $DATA:/data/in:$1" ns_mnt volume
}

@test "ns_mnt: a directory of the host comes back when it is named" {
	volume_start rw
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan --rootfs "$ROOT" --volume "$DATA:/data/in" "$IMAGE"
	[[ $output =~ mount\ /data/in\ +saved\ of\ the\ host\ +invoker\ named\ +-\>\ substitute ]]
	run -0 ctckpt restore --detach --rootfs "$ROOT" --volume "$DATA:/data/in" "$IMAGE"
	victim_succeeds
	assert_equal "$(cat "$DATA/new")" "new"
}

@test "ns_mnt: a directory of the host is refused when it is not named" {
	volume_start rw
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 ctckpt restore --detach --rootfs "$ROOT" "$IMAGE"
	assert_contains "$output" "1 refusal: container mount /data/in: it is a mount of the host"
	assert_contains "$output" "hint: name a directory for it: --volume SOURCE:DIR"
	run -3 ctckpt plan --rootfs "$ROOT" "$IMAGE"
}

@test "ns_mnt: a directory of the host that was read-only stays so" {
	volume_start ro
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --rootfs "$ROOT" --volume "$DATA:/data/in" "$IMAGE"
	: >"$VICTIM_DIR/go"
	"$AWAIT" "$VICTIM_DIR/result"
	assert_contains "$(<"$VICTIM_DIR/result")" "Read-only file system"
	[[ ! -e $DATA/new ]]
}

@test "ns_mnt: a directory that is named read-only is so" {
	volume_start rw
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --rootfs "$ROOT" --volume "$DATA:/data/in:ro" "$IMAGE"
	: >"$VICTIM_DIR/go"
	"$AWAIT" "$VICTIM_DIR/result"
	assert_contains "$(<"$VICTIM_DIR/result")" "Read-only file system"
}

@test "ns_mnt: a directory that is named for nothing is refused" {
	root_start ns_mnt
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -2 ctckpt restore --detach --rootfs "$ROOT" --volume /tmp:/data "$IMAGE"
	assert_contains "$output" "the container has no mount of the host on /data"
}
