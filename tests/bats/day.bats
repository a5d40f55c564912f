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

# counted NUMBER: what the container's program has counted up to, by one for each signal.
counted() {
	local now=
	until [[ $now == "$1" ]]; do
		[[ -e /proc/$PID ]] || fail "process $PID has ended: $now" || return
		now=$(cat root/n 2>/dev/null || true)
		[[ -z $now ]] || ((now <= $1)) || fail "it counts $now instead of $1" || return
		[[ $now == "$1" ]] || "$AWAIT" -t 1 never || true
	done
}

# logged NAME NUMBER: conmon may be late.
logged() {
	until [[ $(podman logs "$1") == *"$2" ]]; do
		[[ -e /proc/$PID ]] || fail "process $PID has ended: $(podman logs "$1")" || return
	done
}

# Its program is there again, and runs.
is_restored() {
	until [[ $(tr '\0' ' ' <"/proc/$PID/cmdline") == *trap* ]] && grep -q 'TracerPid:.0' "/proc/$PID/status"; do
		[[ -e /proc/$PID ]] || fail "process $PID has ended: $(podman logs again)" || return
		"$AWAIT" -t 1 never || true
	done
}

# pid_of NAME: sets PID.
pid_of() {
	PID=$(ctckpt state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
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
	step 'ln -s busybox root/bin/sh && ln -s busybox root/bin/sleep && ln -s busybox root/bin/tee'
	step "podman run -d --name day --net none --rootfs \"\$PWD/root\" \\
    sh -c 'trap \"n=\\\$((n + 1)); echo \\\$n | tee n\" USR1; n=0; echo 0 >n; while sleep 0.1; do :; done'"
	conmon_of day
	counted 0
	step 'podman kill --signal USR1 day'
	counted 1
	logged day 1
	step 'podman logs day' 1
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

	step 'podman kill --signal USR1 day'
	counted 2
	step 'podman kill day'
	step 'podman wait day' 137
	step 'ctckpt restore --detach --name day --bundle "$bundle" day.ckpt'
	step 'ctckpt state day' '"status": "running"'
	pid_of day
	# It goes on where it was when it was saved, not where it was when it ended.
	: >root/n
	step 'ctckpt kill day USR1'
	counted 2
	step 'ctckpt checkpoint day -o - | ctckpt restore --detach --name two --bundle "$bundle" -' two
	step 'ctckpt delete day'
	pid_of two
	step 'ctckpt kill two USR1'
	counted 3
	step 'ctckpt kill two KILL'
	step 'ctckpt delete --force two'
	step 'podman rm day'

	rm root/n
	step "podman run -d --name auto --net none --annotation org.ctckpt.name=auto \\
    --annotation org.ctckpt.auto=on-signal --annotation org.ctckpt.images=\"\$PWD/images\" \\
    --rootfs \"\$PWD/root\" sh -c 'trap \"n=\\\$((n + 1)); echo \\\$n | tee n\" USR1; n=0; echo 0 >n; while sleep 0.1; do :; done'"
	conmon_of auto
	counted 0
	step 'podman kill --signal USR1 auto'
	counted 1
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
	is_restored
	step 'podman kill --signal USR1 again'
	counted 2
	logged again 2
	step 'podman logs again' 2
	step 'podman exec again /bin/busybox ps' 'trap'
	step 'podman stop --time 0 again'
	step 'podman rm again'

	assert_equal "$(<typed)" "$(typed_in "A day of a container")"
}
