#!/usr/bin/env bats
# A day in the life of a container, as an ordinary user types it: the README has the same lines.

# shellcheck disable=SC2016,SC2034 # what is typed is expanded when it is done

# bats file_tags=cgroup

load helper
load engine
load hooks

teardown() {
	local name
	for name in day one two; do
		ctckpt delete --force "$name" 2>/dev/null || true
	done
	engine_teardown
	test_teardown
}

podman() {
	engine_podman "$@"
}

# step COMMAND [TEXT]...: what is typed, and what has to be in the answer.
step() {
	local said=$BATS_TEST_TMPDIR/said text
	printf '%s\n' "$1" >>"$BATS_TEST_TMPDIR/typed"
	eval "$1" >"$said" 2>&1 || fail "$1: $(<"$said")" || return
	output=$(<"$said")
	for text in "${@:2}"; do
		assert_contains "$output" "$text" || return
	done
}

# says ASK COMMAND: that prints what the container has said, a number, when it was asked: it may not
# have been ready at first.
says() {
	until grep -qE '^[0-9]+$' <<<"$(eval "$2")"; do
		[[ -e /proc/$PID ]] || fail "process $PID has ended: $(eval "$2")" || return
		eval "$1" >/dev/null
	done
}

# conmon_of NAME: teardown waits for it. Sets PID.
conmon_of() {
	read -r PID CONMON < <(podman inspect --format '{{.State.Pid}} {{.State.ConmonPid}}' "$1")
	echo "conmon $CONMON" >>"$ENGINE_STARTED"
}

# The commands of a chapter of README.md, without what is said of them.
typed_in() {
	awk -v title="### $1" '/^#/ { inside = $0 == title } inside && /^    / { print substr($0, 5) }' \
		"$BATS_TEST_DIRNAME/../../README.md" | sed 's/ *# .*$//'
}

@test "day: a container is looked after, saved, exported, restored, moved and started again" {
	requires user
	engine_requires podman cmd-skopeo
	set -o pipefail
	export CTCKPT_ENGINE_ROOT=$STORAGE/root HOME=$BATS_TEST_TMPDIR TMPDIR=$BATS_TEST_TMPDIR
	cd "$HOME"
	podman_hooks
	local bundle name

	step 'ctckpt check' user_namespace
	step 'mkdir -p root/bin && cp "$(command -v busybox)" root/bin/'
	step 'ln -s busybox root/bin/sh && ln -s busybox root/bin/sleep'
	step "podman run -d --name day --net none --rootfs \"\$PWD/root\" \\
    sh -c 'trap \"echo \\\$n\" USR1; n=0; while sleep 0.1; do n=\$((n + 1)); done'"
	conmon_of day
	step 'podman kill --signal USR1 day && podman logs day'
	says 'podman kill --signal USR1 day' 'podman logs day'
	step 'ctckpt ps' "day " podman running
	step 'ctckpt freeze day' day
	step 'ctckpt ps' frozen
	step 'ctckpt thaw day' 'day: goes on'
	step 'ctckpt checkpoint --leave-running day -o day.ckpt' 'day: saved '
	step 'ctckpt verify day.ckpt' day.ckpt
	step 'ctckpt inspect day.ckpt' 'identity '
	step 'bundle=$(dirname "$(podman inspect --format "{{.OCIConfigPath}}" day)")'
	step 'ctckpt plan --bundle "$bundle" day.ckpt' 'rule bundle'

	step 'ctckpt export day.ckpt oci:layout:v1' 'in oci:layout:v1'
	step 'skopeo inspect oci:layout:v1' '"Architecture"'
	step 'skopeo --insecure-policy copy oci:layout:v1 oci:copy:v1' manifest
	step 'ctckpt import oci:copy:v1 -o back.ckpt'
	step 'cmp day.ckpt back.ckpt'

	step 'podman kill day'
	step 'podman wait day' 137
	step 'ctckpt restore --detach --name day --bundle "$bundle" day.ckpt'
	step 'ctckpt state day' '"status": "running"'
	step 'ctckpt kill day USR1'
	step 'ctckpt checkpoint day -o - | ctckpt restore --detach --name two --bundle "$bundle" -' two
	step 'ctckpt delete day'
	step 'ctckpt kill two KILL'
	step 'ctckpt delete --force two'
	step 'podman rm day'

	step "podman run -d --name auto --net none --annotation org.ctckpt.name=auto \\
    --annotation org.ctckpt.auto=on-signal --annotation org.ctckpt.images=\"\$PWD/images\" \\
    --rootfs \"\$PWD/root\" sh -c 'trap \"echo \\\$n\" USR1; n=0; while sleep 0.1; do n=\$((n + 1)); done'"
	conmon_of auto
	name=$(podman inspect --format '{{.Id}}' auto)
	name=auto@${name:0:12}
	"$AWAIT" -t 100 "images/$name.pid"
	step 'kill -USR1 "$(cat images/auto@*.pid)"'
	"$AWAIT" -t 100 "images/$name.000001.ckpt"
	step 'podman rm --force --time 0 auto'
	step "podman run -d --name again --net none --annotation org.ctckpt.name=again \\
    --annotation org.ctckpt.restore=\"\$(ls \"\$PWD\"/images/auto@*.000001.ckpt)\" \\
    --rootfs \"\$PWD/root\" sh"
	conmon_of again
	step 'podman kill --signal USR1 again && podman logs again'
	says 'podman kill --signal USR1 again' 'podman logs again'
	step 'podman exec again /bin/busybox ps' 'trap'
	step 'podman stop --time 0 again'
	step 'podman rm again'

	assert_equal "$(<typed)" "$(typed_in "A day of a container")"
}
