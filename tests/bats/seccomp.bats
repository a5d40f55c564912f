#!/usr/bin/env bats
# Filters that run --seccomp sets.

# bats file_tags=cgroup

load helper

# profile NAME TEXT: a profile file in JSON.
profile() {
	PROFILE=$BATS_TEST_TMPDIR/$1.json
	printf '%s\n' "$2" >"$PROFILE"
}

# filtered_start [OPTION...] -- [ARGUMENT...]: the victim under $PROFILE.
filtered_start() {
	local options=()
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" --seccomp "$PROFILE" "${options[@]}" \
		-- "$BUILD/victim/seccomp" "$@" >"$VICTIM_DIR/name"
	victim_await ready result
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
}

status_of() {
	awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(container_pid "$VICTIM")/status"
}

DENY='{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
	{ "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 },
	{ "names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7 } ] }'

@test "seccomp: the filter survives, in every thread" {
	profile deny "$DENY"
	filtered_start --
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$(status_of Seccomp) $(status_of Seccomp_filters)" "2 1"
	victim_succeeds
}

@test "seccomp: where a filter forbids to look for Landlock, that is said" {
	requires landlock-1
	profile blind '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": ["get_robust_list"],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 1,
		"args": [ { "index": 0, "value": 0, "op": "SCMP_CMP_NE" } ] } ] }'
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" --seccomp "$PROFILE" \
		-- "$BUILD/victim/idle" >"$VICTIM_DIR/name"
	victim_await ready result
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" \
		"saved 1 restriction by Landlock, if there was one: nobody can tell invoker - -> REFUSE rule strict/landlock"
	run -3 ctckpt restore --detach --policy map "$IMAGE"
	assert_contains "$output" "Landlock: nobody can tell whether it was restricted"
	echo '{ "ctckpt_policy": 1, "extends": "strict", "landlock": "drop" }' >"$BATS_TEST_TMPDIR/policy"
	chmod 600 "$BATS_TEST_TMPDIR/policy"
	run -0 --separate-stderr ctckpt restore --policy "$BATS_TEST_TMPDIR/policy" --detach "$IMAGE"
	assert_contains "$stderr" "task 1 loses 1 restriction by Landlock, if there was one: nobody can tell"
	victim_succeeds
}

@test "seccomp: the profile that Podman and CRI-O install" {
	PROFILE=/usr/share/containers/seccomp.json
	[[ -e $PROFILE ]] || skip "requires golang-github-containers-common"
	filtered_start --
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	assert_equal "$(status_of Seccomp) $(status_of NoNewPrivs)" "2 0"
	victim_succeeds
}

@test "seccomp: a user without privileges had it, and has it again, with no_new_privs off" {
	requires user subuid
	profile deny "$DENY"
	victim_dir_share
	filtered_start --userns auto -- 5
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	assert_equal "$(status_of Seccomp) $(status_of NoNewPrivs)" "2 0"
	victim_succeeds
}

@test "seccomp: the original goes on, and so do generations and twins" {
	profile deny "$DENY"
	filtered_start --
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	run -0 ctckpt checkpoint --force --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	local twin
	twin=$(container_pid "$VICTIM-twin")
	victim_succeeds
	"$AWAIT" -t 100 -p "$twin"
}

@test "seccomp: the plan says that the filter stays" {
	profile deny "$DENY"
	filtered_start --
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	[[ $output == *seccomp*filter*keep* ]]
	victim_succeeds
}

@test "seccomp: a filter of a task's own is refused by name" {
	profile deny "$DENY"
	ctckpt run --detach --name "$VICTIM" --seccomp "$PROFILE" -- "$BUILD/victim/filtered"
	victim_await ready
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "its seccomp filter cannot be read by an ordinary user"
	victim_succeeds
}

@test "seccomp: a filter that would kill for a checkpoint's calls is refused, and nothing is killed" {
	profile kill '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": ["tgkill"], "action": "SCMP_ACT_KILL_PROCESS" } ] }'
	filtered_start --
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "send itself a signal: the container's seccomp filter does not let its tasks do this"
	victim_succeeds
}

@test "seccomp: a filter that would kill in the middle of a checkpoint is refused, and nothing is killed" {
	profile kill '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": ["getitimer"], "action": "SCMP_ACT_KILL_PROCESS" } ] }'
	filtered_start --
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "the container's seccomp filter does not let its tasks do this"
	victim_succeeds
}

# refused_profile TEXT MESSAGE
refused_profile() {
	profile bad "$1"
	run -2 --separate-stderr ctckpt run --seccomp "$PROFILE" -- true
	assert_contains "$stderr" "$2"
}

@test "seccomp: profiles that are not understood are refused, not loosened" {
	refused_profile '{ "defaultAction": "SCMP_ACT_NOTIFY" }' "action SCMP_ACT_NOTIFY is not supported"
	refused_profile '{ "syscalls": [] }' "an action is missing"
	refused_profile '{ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x" }' \
		"the profile: listenerPath is not supported"
	refused_profile '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": ["read"],
		"action": "SCMP_ACT_ERRNO", "args": [ { "index": 0, "value": 1, "op": "EQ" } ] } ] }' \
		"syscalls[0]: args: op EQ is not supported"
	refused_profile '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": ["read"],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 5000 } ] }' "syscalls[0]: errnoRet is out of range"
}

@test "seccomp: rules for capabilities, architectures and kernels" {
	profile conditions '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": ["personality"], "action": "SCMP_ACT_ERRNO", "excludes": { "caps": ["CAP_SYS_ADMIN"] } },
		{ "names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "includes": { "minKernel": "99.0" } },
		{ "names": ["uname"], "action": "SCMP_ACT_ERRNO", "includes": { "arches": ["arm64"] } },
		{ "names": ["times"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
		  "includes": { "minKernel": "4.8", "arches": ["amd64"] } } ] }'
	run -0 ctckpt run --seccomp "$PROFILE" -- python3 -c '
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for number in (135, 99, 63, 100):
    ctypes.set_errno(0)
    libc.syscall(number, ctypes.create_string_buffer(512) if number != 135 else 0xffffffff)
    print(ctypes.get_errno())'
	assert_equal "${lines[*]}" "0 0 0 7"
}
