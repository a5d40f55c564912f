#!/usr/bin/env bats
# Containers that podman has started: with its seccomp profile, and conmon at the other end of their
# output.

# bats file_tags=cgroup

load helper
load engine

setup() {
	test_setup
	engine_setup
	export CTCKPT_ENGINE_ROOT=$STORAGE/root
}

# podman_victim NAME [OPTION...]: a container "web" runs tests/victim/NAME.c.
podman_victim() {
	engine_rootfs "$BUILD/victim/$1"
	podman_start web "${@:2}" "/bin/$1"
	engine_await ready result
}

inspect() {
	engine_podman inspect --format "$1" web
}

@test "podman: a container is frozen and thawed by its name, its id and the beginning of that" {
	engine_requires podman
	podman_start web sleep 1000
	local id name
	id=$(<"$BATS_TEST_TMPDIR/web.id")
	run -0 ctckpt ps
	assert_contains "$output" "web "
	for name in web "$id" "${id:0:12}" "podman:web"; do
		run -0 ctckpt freeze "$name"
		run -0 ctckpt ps --engine podman
		assert_contains "$output" " frozen "
		run -0 ctckpt thaw "$name"
		assert_equal "$output" "$name: goes on"
	done
	run -1 ctckpt freeze "runc:web"
	assert_contains "$output" "there is no container web"
}

@test "podman: two containers of one name are told apart by their engines" {
	engine_requires podman
	podman_start web sleep 1000
	local first=$PID
	bundle_make sleep 1000
	bundle_start runc web
	run -2 ctckpt freeze web
	assert_contains "$output" "web may be each of "
	assert_contains "$output" "runc:web"
	assert_contains "$output" "podman:web ($(cut -c1-12 "$BATS_TEST_TMPDIR/web.id"))"
	run -0 ctckpt freeze runc:web
	assert_equal "$(ctckpt ps | awk -v pid="$first" '$2 == pid { print $3, $4 }')" "podman running"
	run -0 ctckpt thaw runc:web
}

@test "podman: after a checkpoint the container goes on, and podman has its output" {
	engine_requires podman
	podman_victim eventfd
	run -0 ctckpt checkpoint --leave-running web -o "$IMAGE"
	assert_equal "$(inspect '{{.State.Status}}')" running
	engine_succeeds
	engine_podman wait web
	assert_equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 0"
}

@test "podman: after a checkpoint the container has exited for podman, and can be started again" {
	engine_requires podman
	podman_start web sleep 1000
	run -0 ctckpt checkpoint web -o "$IMAGE"
	"$AWAIT" -t 100 -p "$CONMON"
	assert_equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 137"
	run -1 ctckpt freeze web
	run -0 engine_podman start web
	run -0 ctckpt freeze web
	run -0 ctckpt thaw web
}

@test "podman: a container comes back, with the profile that podman gave it" {
	engine_requires podman
	podman_victim eventfd
	engine_checkpoint web
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	assert_equal "$(awk '/^Seccomp:/ { print $2 }' "/proc/$(container_pid "$VICTIM")/status")" 2
	victim_succeeds
}

@test "podman: a frozen container is saved as it is, and goes on when it is thawed" {
	engine_requires podman
	podman_victim eventfd
	run -0 ctckpt freeze web
	run -0 ctckpt checkpoint --leave-stopped web -o "$IMAGE"
	run -0 ctckpt ps --engine podman
	assert_contains "$output" " frozen "
	run -0 ctckpt thaw web
	engine_succeeds
}

@test "podman: a program that was executed in a container is saved with it" {
	engine_requires podman
	podman_victim eventfd
	engine_podman exec --detach web sleep 1000
	until [[ $(ctckpt ps | awk '$1 == "web" { print $5 }') == 2 ]]; do :; done
	run -0 ctckpt checkpoint --leave-running --external web -o "$IMAGE"
	assert_contains "$output" "saved 2 tasks"
	engine_succeeds
}

@test "podman: a container with a terminal is saved" {
	engine_requires podman
	podman_victim eventfd --tty
	run -0 ctckpt checkpoint --leave-running web -o "$IMAGE"
	engine_succeeds
}

@test "podman: what a container has changed on its overlay goes along, into another root directory" {
	local other=$BATS_TEST_TMPDIR/other
	engine_requires podman user
	# shellcheck disable=SC2034 # engine_podman's
	ENGINE_DRIVER=overlay
	engine_rootfs
	cp -a "$ROOTFS" "$other"
	tar --owner=0 --group=0 -C "$ROOTFS" -cf "$BATS_TEST_TMPDIR/root.tar" .
	engine_podman import --quiet "$BATS_TEST_TMPDIR/root.tar" base >/dev/null
	engine_podman run --detach --name web --volume="$VICTIM_DIR:/v" base sh -c \
		'exec </dev/null >/dev/null 2>&1 5>>/etc/log; echo first >&5; echo changed >/etc/passwd; busybox rm /bin/id
		: >/v/ready; until [ -e /v/go ]; do sleep 0.1; done; echo second >&5; cat /etc/passwd /etc/log >/v/result'
	read -r PID CONMON < <(engine_podman inspect --format '{{.State.Pid}} {{.State.ConmonPid}}' web)
	echo "conmon $CONMON" >>"$ENGINE_STARTED"
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/ready"
	assert_contains "$(awk '$5 == "/"' "/proc/$PID/mountinfo")" " - overlay overlay "
	export CTCKPT_ENGINE_ROOT=$STORAGE/root
	ROOTFS=$other engine_checkpoint web --file-system
	run -0 ctckpt restore --detach --name "$VICTIM" --policy map --rootfs "$other" --file-system \
		"${VOLUMES[@]}" "$IMAGE"
	: >"$VICTIM_DIR/go"
	"$AWAIT" -t 100 "$VICTIM_DIR/result"
	assert_equal "$(<"$VICTIM_DIR/result")" $'changed\nfirst\nsecond'
	# As podman's are; bats could not remove it.
	chmod u+w "$other"
	[[ ! -e $other/bin/id && $(<"$ROOTFS/etc/passwd") == root:* ]]
}
