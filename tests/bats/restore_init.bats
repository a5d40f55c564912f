#!/usr/bin/env bats
# Containers of runc, crun and podman that start from an image: org.ctckpt.restore.

# bats file_tags=cgroup

# shellcheck disable=SC2153 # variables of helper.bash

load helper
load engine
load hooks

teardown() {
	engine_teardown
	test_teardown
}

# podman_save VICTIM [OPTION...]: runs it in the container web, and saves and ends that.
podman_save() {
	local victim=$1
	shift
	engine_rootfs "$BUILD/victim/$victim"
	podman_hooks
	podman_start web --annotation=org.ctckpt.name=web "$@" "/bin/$victim"
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	run -0 ctckpt checkpoint web -o "$IMAGE"
	engine_podman wait web >/dev/null
}

# bundle_save ENGINE VICTIM
bundle_save() {
	bundle_victim "$2"
	bundle_hook org.ctckpt.name=web
	bundle_start "$1" "$VICTIM"
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/ready" || fail "it is not ready: $(why)"
	run -0 ctckpt checkpoint web -o "$IMAGE"
	"$AWAIT" -t 100 -p "$PID"
	"$1" delete "$VICTIM"
}

# bundle_restore ENGINE: by the bundle, as precreate changes it.
bundle_restore() {
	bundle_hook "org.ctckpt.restore=$IMAGE"
	ctckpt oci-hook --below / precreate <"$BUNDLE/config.json" >"$BUNDLE/new"
	mv "$BUNDLE/new" "$BUNDLE/config.json"
	bundle_start "$1" "$VICTIM"
}

why() {
	cat "$XDG_RUNTIME_DIR/ctckpt/hooks.log" "$VICTIM_DIR/log" 2>/dev/null
	return 1
}

verified() {
	: >"$VICTIM_DIR/go"
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/result" || fail "$(why)" || return
	assert_equal "$(cat "$VICTIM_DIR/result")" ok
}

@test "restore as init: podman starts a container from an image" {
	engine_requires podman user
	podman_save eventfd
	podman_start again --annotation=org.ctckpt.name=again "--annotation=org.ctckpt.restore=$IMAGE" ignored
	verified
	"$AWAIT" -t 100 -p "$PID"
	assert_equal "$(engine_podman wait again)" 0
}

# restored NAME: it can be saved again, so it runs.
restored() {
	local tries
	for tries in {1..40}; do
		ctckpt checkpoint --leave-running "$1" -o "$IMAGE.$1" && return
		[[ -e /proc/$PID ]] || break
		"$AWAIT" -t 1 "$IMAGE.$1" || true
	done
	fail "$1 was not restored: $tries: $(why)"
}

confinement() {
	awk '/^(Uid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters):/' "/proc/$PID/status"
}

@test "restore as init: logs, exec, ps and stop of podman work on it" {
	local before
	engine_requires podman user
	engine_rootfs
	podman_hooks
	podman_start web --annotation=org.ctckpt.name=web sh -c \
		'trap "echo bye; exit 3" TERM; echo began >/v/ready; while :; do sleep 0.1; done'
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	before=$(confinement)
	run -0 ctckpt checkpoint web -o "$IMAGE"
	engine_podman wait web >/dev/null
	podman_start again --annotation=org.ctckpt.name=again "--annotation=org.ctckpt.restore=$IMAGE" ignored
	restored again
	assert_contains "$(engine_podman exec again cat /proc/1/cmdline | tr '\0' ' ')" "sh -c trap"
	assert_equal "$(engine_podman exec again sh -c 'grep -c ctckpt /proc/mounts; ls -a / | grep -c ctckpt; true')" $'0\n0'
	assert_equal "$(engine_podman inspect --format '{{.State.Status}}' again)" running
	# The capabilities that podman gives, no more, and its filter once.
	assert_equal "$(confinement)" "$before"
	engine_podman stop again >/dev/null
	assert_equal "$(engine_podman wait again)" 3
	assert_contains "$(engine_podman logs again)" bye
}

@test "restore as init: files in memory come along, where the container has a place for them" {
	local options=(--cgroup-parent "/$VICTIM") script
	engine_requires podman user
	((EUID == 0)) || options=()
	engine_rootfs
	podman_hooks
	# shellcheck disable=SC2016 # the container's shell
	script='echo kept >/dev/shm/file; mkdir /scratch/dir; cat /bin/busybox >/scratch/dir/large
echo tool >/scratch/tool; busybox chmod 4711 /scratch/tool; exec 5>>/dev/shm/log; echo first >&5
trap "echo second >&5; busybox cmp /bin/busybox /scratch/dir/large && : >/v/same" USR1
: >/v/ready; while :; do sleep 0.1; done'
	podman_start web --annotation=org.ctckpt.name=web --tmpfs=/scratch sh -c "$script"
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	run -0 ctckpt checkpoint web -o "$IMAGE"
	engine_podman wait web >/dev/null
	podman_start again --annotation=org.ctckpt.name=again "--annotation=org.ctckpt.restore=$IMAGE" \
		--tmpfs=/scratch ignored
	restored again
	engine_podman kill --signal USR1 again >/dev/null
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/same" || fail "$(why)"
	assert_equal "$(engine_podman exec again cat /dev/shm/file /dev/shm/log)" $'kept\nfirst\nsecond'
	# Who executes it would be another user than the configuration says.
	assert_equal "$(engine_podman exec again busybox stat -c '%a %n' /scratch/tool)" "711 /scratch/tool"
	assert_contains "$(cat "$XDG_RUNTIME_DIR/ctckpt/hooks.log")" "files of /scratch have lost set-id bits"
	assert_contains "$(cat "$XDG_RUNTIME_DIR/ctckpt/hooks.log")" "CLOCK_MONOTONIC does not go on from where it was"
	engine_podman rm --force --time 0 again >/dev/null
	# No place, and one that is the host's.
	run -137 engine_podman run --name third "${options[@]}" "--annotation=org.ctckpt.restore=$IMAGE" \
		--rootfs "$ROOTFS" ignored
	assert_contains "$output" "mount /scratch: the container has no file system in memory of its own there"
	assert_contains "$output" "hint: start it with the mounts that were saved, as with --tmpfs DIR"
	# The plan says so, before anything is made.
	assert_contains "$output" "1 refusal: container mount /scratch: "
	run -137 engine_podman run --name fourth "${options[@]}" "--annotation=org.ctckpt.restore=$IMAGE" \
		--volume=/dev/shm:/scratch --rootfs "$ROOTFS" ignored
	assert_contains "$output" "mount /scratch: the container has no file system in memory of its own there"
	[[ ! -e /dev/shm/tool ]]
}

@test "restore as init: the configuration is an upper bound, the saved state another" {
	engine_requires podman user
	# More than the second has, and no filter.
	podman_save eventfd --cap-add=NET_ADMIN --security-opt=seccomp=unconfined --ulimit=nofile=512:1024
	podman_start again --annotation=org.ctckpt.name=again "--annotation=org.ctckpt.restore=$IMAGE" \
		--cap-drop=CHOWN --ulimit=nofile=64:128 ignored
	restored again
	assert_equal "$(($(awk '/^CapBnd/ { print "0x" $2 }' "/proc/$PID/status") & 0x1001))" 0
	assert_equal "$(awk '/^Seccomp/ { print $2 }' "/proc/$PID/status" | xargs)" "2 1"
	assert_equal "$(awk '/^Max open files/ { print $4, $5 }' "/proc/$PID/limits")" "128 128"
	engine_podman rm --force --time 0 again >/dev/null
	# That image has the filter and the limits; this configuration would allow more.
	podman_start third --annotation=org.ctckpt.name=third "--annotation=org.ctckpt.restore=$IMAGE.again" \
		--cap-add=NET_ADMIN --security-opt=seccomp=unconfined --ulimit=nofile=512:1024 ignored
	for _ in {1..40}; do
		[[ $(</proc/"$PID"/comm) != eventfd ]] || ! grep -q 'TracerPid:.0' "/proc/$PID/status" || break
		"$AWAIT" -t 1 "$IMAGE.third" || true
	done
	assert_equal "$(($(awk '/^CapBnd/ { print "0x" $2 }' "/proc/$PID/status") & 0x1001))" 0
	assert_equal "$(awk '/^Seccomp/ { print $2 }' "/proc/$PID/status" | xargs)" "2 1"
	assert_equal "$(awk '/^Max open files/ { print $4, $5 }' "/proc/$PID/limits")" "128 128"
	verified
}

@test "restore as init: no task has other ids or capabilities than the user of the configuration" {
	local options=(--cgroup-parent "/$VICTIM") before
	engine_requires podman user
	((EUID == 0)) || options=()
	# root's
	podman_save eventfd
	run -137 engine_podman run --name again "${options[@]}" --user=1000:1000 \
		"--annotation=org.ctckpt.restore=$IMAGE" --rootfs "$ROOTFS" ignored
	assert_contains "$output" "the container's configuration has no place for this id"
	# Its own, and of a user with fewer groups.
	rm "$VICTIM_DIR/ready" "$IMAGE"
	podman_start user --annotation=org.ctckpt.name=user --user=1000:1000 --group-add=27 /bin/eventfd
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	before=$(confinement)
	run -0 ctckpt checkpoint user -o "$IMAGE"
	run -137 engine_podman run --name fewer "${options[@]}" --user=1000:1000 \
		"--annotation=org.ctckpt.restore=$IMAGE" --rootfs "$ROOTFS" ignored
	assert_contains "$output" "the container's configuration has no place for this id"
	podman_start same --annotation=org.ctckpt.name=same "--annotation=org.ctckpt.restore=$IMAGE" \
		--user=1000:1000 --group-add=27 ignored
	restored same
	assert_equal "$(confinement)" "$before"
}

@test "restore as init: an image that cannot be restored is said in the container's log" {
	local options=(--cgroup-parent "/$VICTIM")
	engine_requires podman user
	((EUID == 0)) || options=()
	engine_rootfs
	podman_hooks
	run -137 engine_podman run --name again "${options[@]}" "--annotation=org.ctckpt.restore=$BATS_TEST_TMPDIR/none" \
		--rootfs "$ROOTFS" ignored
	assert_contains "$output" \
		"ctckpt: restore $BATS_TEST_TMPDIR/none: open $BATS_TEST_TMPDIR/none: No such file or directory"
	head -c 10000 /dev/urandom >"$IMAGE"
	run -137 engine_podman run --name third "${options[@]}" "--annotation=org.ctckpt.restore=$IMAGE" \
		--rootfs "$ROOTFS" ignored
	assert_contains "$output" "ctckpt: restore $IMAGE: not a ctckpt image"
}

@test "restore as init: runc starts a container from an image" {
	engine_requires runc
	bundle_save runc eventfd
	bundle_restore runc
	verified
}

@test "restore as init: crun starts a container from an image" {
	engine_requires crun
	bundle_save crun eventfd
	bundle_restore crun
	verified
}

# What they read beside the code of the vdso is not there without a time namespace. (restore --bundle
# calls the bundle's hooks, and by these the container has its name already.)
@test "restore as init: processes that ask for the time all the time come from a time namespace" {
	engine_requires crun
	bundle_save crun vdso
	run -0 ctckpt restore --detach --bundle "$BUNDLE" "$IMAGE"
	run -0 ctckpt checkpoint --force web -o "$IMAGE"
	run -0 ctckpt delete web
	bundle_restore crun
	verified
}

@test "restore as init: precreate changes only what it must" {
	requires cmd-runc cmd-busybox
	bundle_make sleep 1000
	bundle_edit 'process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}]'
	cp "$BUNDLE/config.json" "$BUNDLE/before"
	# Without the annotation nothing; not even a byte.
	ctckpt oci-hook precreate <"$BUNDLE/config.json" >"$BUNDLE/same"
	cmp "$BUNDLE/config.json" "$BUNDLE/same"
	bundle_edit 'process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [27]}'
	bundle_edit 'process["capabilities"].update(inheritable=[], ambient=["CAP_NET_BIND_SERVICE"])'
	bundle_edit 'config["annotations"] = {"org.ctckpt.restore.user": "0:0:f:f:f", "org.ctckpt.restore": "/i.ckpt", "other": "\u00e4 \"ctckpt:number:1"}'
	ctckpt oci-hook --below / precreate <"$BUNDLE/config.json" >"$BUNDLE/after"
	run -0 python3 - "$BUNDLE/config.json" "$BUNDLE/after" <<'PYTHON'
import json, sys
before, after = (json.load(open(path)) for path in sys.argv[1:])
print(" ".join(after["process"]["args"]))
assert "CAP_CHECKPOINT_RESTORE" in after["process"]["capabilities"]["effective"]
assert after["mounts"].pop()["destination"] == "/.ctckpt-init"
assert after["annotations"].pop("org.ctckpt.restore.caps") == "20000420"
assert after["annotations"].pop("org.ctckpt.restore.user") == "1000:1000+27:20000420:0:400"
assert [hook["args"][-1] for hook in after.pop("hooks")["poststart"]] == ["poststart"]
del before["annotations"]["org.ctckpt.restore.user"]
for key in ("args", "user", "capabilities"):
    del after["process"][key], before["process"][key]
assert before == after, (before, after)
PYTHON
	assert_equal "$output" "/.ctckpt-init /i.ckpt"
}

@test "restore as init: a configuration that is none goes through as it is" {
	run -0 --separate-stderr ctckpt oci-hook precreate <<<'{"annotations": 7}'
	assert_equal "$output" '{"annotations": 7}'
	assert_contains "$stderr" "config.json: annotations are no object"
	run -0 --separate-stderr ctckpt oci-hook precreate <<<'no JSON'
	assert_equal "$output" "no JSON"
	run -0 --separate-stderr ctckpt oci-hook precreate <<<'{"annotations": {"org.ctckpt.restore": "here"}}'
	assert_equal "$output" '{"annotations": {"org.ctckpt.restore": "here"}}'
	assert_contains "$stderr" 'org.ctckpt.restore: "here" is not an absolute path'
}
