#!/usr/bin/env bats
# Hooks as engines call them: the container's name, its checkpoints, and its end.

# bats file_tags=cgroup

# shellcheck disable=SC2153 # variables of helper.bash

load helper
load engine
load hooks

setup() {
	test_setup
	engine_setup
	NAME=web-$VICTIM
	REGISTRY=$XDG_RUNTIME_DIR/ctckpt
}

teardown() {
	engine_teardown
	test_teardown
}

# hooked ID COMMAND...: registered, saved once, and gone with its end, which that command brings.
hooked() {
	local timer stem=$IMAGES/$NAME@$1
	shift
	"$AWAIT" -t 100 "$stem.000001.ckpt" || fail "$(cat "$stem.log" "$REGISTRY/hooks.log")" || return
	assert_equal "$(ctckpt ps | awk -v name="$NAME" '$1 == name { print $2 }')" "$PID" || return
	run -0 ctckpt checkpoint --leave-running "$NAME" -o "$IMAGE" || return
	timer=$(<"$stem.pid")
	"$@"
	"$AWAIT" -t 100 -p "$timer"
	"$AWAIT" -t 100 -p "$PID"
	[[ ! -e $REGISTRY/$NAME.json ]] || fail "its entry is still there"
	# Root's is that of all tests.
	! grep -hF -e "$NAME" -e "$BATS_TEST_TMPDIR" "$REGISTRY/hooks.log" 2>/dev/null || fail "something went wrong"
}

runtime_ends() {
	"$1" kill "$VICTIM" KILL
	"$AWAIT" -t 100 -p "$PID"
	"$1" delete "$VICTIM"
}

podman_ends() {
	engine_podman stop --time 0 web >/dev/null
	# Its cleanup may come later: it is that of conmon.
	engine_podman rm --force web >/dev/null
	"$AWAIT" -t 100 -p "$CONMON"
}

# runtime_calls ENGINE: a bundle's hooks.
runtime_calls() {
	engine_requires "$1"
	IMAGES=$BATS_TEST_TMPDIR/images
	bundle_make sleep 1000
	bundle_hook "org.ctckpt.name=$NAME" org.ctckpt.auto=on-start "org.ctckpt.images=$IMAGES"
	bundle_start "$1" "$VICTIM"
	hooked "$VICTIM" runtime_ends "$1"
}

@test "hooks: runc calls them" {
	runtime_calls runc
}

@test "hooks: crun calls them" {
	runtime_calls crun
}

@test "hooks: podman calls them by the files that are installed" {
	engine_requires podman
	# Root's keeps the test's registry from its hooks.
	((EUID != 0)) || REGISTRY=/run/ctckpt
	IMAGES=$BATS_TEST_TMPDIR/images
	hook_files "$BATS_TEST_TMPDIR/hooks.d"
	engine_podman info >/dev/null
	sed -i "/^\[engine\]/a hooks_dir = [\"$BATS_TEST_TMPDIR/hooks.d\"]" "$STORAGE/containers.conf"
	podman_start web "--annotation=org.ctckpt.name=$NAME" --annotation=org.ctckpt.auto=on-start \
		--annotation="org.ctckpt.images=$IMAGES" sleep 1000
	hooked "$(engine_podman inspect --format "{{.Id}}" web | cut -c1-12)" podman_ends
}
