#!/usr/bin/env bats
# bats file_tags=cgroup,root

load helper

@test "cgroup: who is in the container's own stays there" {
	victim_start cgroup
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

own_cgroup() {
	cgroups_like "*/$VICTIM"
}

# nested_start [WORD]: a child in the cgroup a/b below the container's, the first task in its own.
nested_start() {
	local dir init child
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" -- "$BUILD/victim/cgroup" "${1:-moved}" \
		>"$VICTIM_DIR/name"
	"$AWAIT" "$VICTIM_DIR/parent" "$VICTIM_DIR/child"
	dir=$(own_cgroup)
	init=$(container_pid "$VICTIM")
	until child=$(<"/proc/$init/task/$init/children") && [[ -n $child ]]; do :; done
	mkdir "$dir/a" "$dir/a/b" "$dir/empty"
	echo "${child% }" >"$dir/a/b/cgroup.procs"
	: >"$VICTIM_DIR/moved"
	victim_await ready result
	[[ -n ${1:-} ]] || assert_contains "$(<"$VICTIM_DIR/seen.child")" "/a/b"
}

@test "cgroup: tasks in cgroups of the container come back to them" {
	requires cgroup
	nested_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	[[ -z $(own_cgroup) ]]
	run -0 ctckpt restore --detach "$IMAGE"
	[[ -d $(own_cgroup)/empty ]]
	victim_succeeds
}

@test "cgroup: a cgroup namespace that begins below the container's is refused by name" {
	requires cgroup
	nested_start rooted
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "task 2 (cgroup): its cgroup namespace does not begin where the container's own does"
}

@test "cgroup: threaded cgroups are refused by name" {
	requires cgroup-v2
	victim_start cgroup
	mkdir "$(own_cgroup)/threads"
	echo threaded >"$(own_cgroup)/threads/cgroup.type"
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "threaded cgroups are not supported"
	rmdir "$(own_cgroup)/threads"
	victim_succeeds
}

@test "cgroup: settings come back" {
	requires cgroup-v2
	nested_start
	echo 7 >"$(own_cgroup)/a/cgroup.max.descendants"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$(<"$(own_cgroup)/a/cgroup.max.descendants")" 7
	assert_equal "$(<"$(own_cgroup)/a/b/cgroup.max.descendants")" max
	victim_succeeds
}

@test "cgroup: a limit above that of the invoker's cgroup is clamped, and the plan says so" {
	requires cgroup-v2 root
	local above
	nested_start
	above=$(dirname "$(own_cgroup)")
	echo 7000 >"$(own_cgroup)/a/cgroup.max.descendants"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	echo 6000 >"$above/cgroup.max.descendants"
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" "saved 7000 invoker 6000 -> clamp 6000"
	run -0 ctckpt restore --detach "$IMAGE"
	echo max >"$above/cgroup.max.descendants"
	assert_equal "$(<"$(own_cgroup)/a/cgroup.max.descendants")" 6000
	victim_succeeds
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" \
		"CONTAINER a/cgroup.max.descendants saved 7000 invoker unlimited -> keep rule strict/cgroups"
}

@test "cgroup: the original goes on where it was, and a twin has its own" {
	requires cgroup
	nested_start
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	[[ -d $(own_cgroup)-twin/a/b && -d $(own_cgroup)/a/b ]]
	local twin
	twin=$(container_pid "$VICTIM-twin")
	victim_succeeds
	"$AWAIT" -t 100 -p "$twin"
}

# rejected PLACE=VALUE MESSAGE: this image is damaged.
rejected() {
	run -0 "$BUILD/tests/forge" edit "$IMAGE" "$IMAGE.forged" "$1"
	run -4 --separate-stderr ctckpt restore --detach "$IMAGE.forged"
	assert_contains "$stderr" "$2"
}

@test "cgroup: impossible trees are damage" {
	requires cgroup
	nested_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rejected CGRP+0:4=0 "cgroup"
	rejected CGRP+0:4=5000 "cgroup"
	rejected CGRP+20:4=1 "impossible cgroup"
	rejected CGRP+8:4=9 "cgroup"
}

# without_cgroups COMMAND...: where no cgroup can be made.
without_cgroups() {
	unshare --map-root-user --mount -- sh -c 'mount -t tmpfs none /sys/fs/cgroup; exec "$@"' - "$@"
}

@test "cgroup: limits that cannot be kept are a refusal" {
	requires cgroup-v2 user
	nested_start
	echo 7 >"$(own_cgroup)/a/cgroup.max.descendants"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 without_cgroups timeout 100 "$CTCKPT" restore --detach "$IMAGE"
	assert_contains "$output" "the container's limits need a cgroup (v2) of its own"
}

@test "cgroup: that names are lost is said" {
	requires cgroup user
	nested_start
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr without_cgroups timeout 100 "$CTCKPT" restore --detach "$IMAGE"
	assert_contains "$stderr" "the cgroups of the container are lost"
}

# limited CONTROLLER COMMAND...: with the container in a cgroup of its own in that hierarchy of v1,
# which is gone afterwards.
limited() {
	local dir=/sys/fs/cgroup/$1/$VICTIM status=0
	shift
	mkdir "$dir"
	container_pid "$VICTIM" >"$dir/cgroup.procs"
	"$@" "$dir" || status=$?
	for pid in $(<"$dir/cgroup.procs"); do
		echo "$pid" >"$dir/../cgroup.procs"
	done
	rmdir "$dir"
	return "$status"
}

@test "cgroup: limits of v1 are saved, and not lost" {
	local cannot
	requires root
	[[ -e /sys/fs/cgroup/pids/cgroup.procs ]] || skip "requires cgroup-v1"
	victim_start idle
	pids_saved() {
		echo 77 >"$1/pids.max"
		ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	}
	limited pids pids_saved
	cannot="no such controller"
	[[ $CTCKPT_TEST_CGROUP != v1 ]] || cannot="no cgroup"
	run -3 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" "CONTAINER pids.max saved 77 invoker $cannot -> REFUSE"
	run -3 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	echo '{"ctckpt_policy": 1, "extends": "strict", "cgroups": {"action": "drop"}}' \
		>"$BATS_TEST_TMPDIR/policy.json"
	run -0 ctckpt plan --policy "$BATS_TEST_TMPDIR/policy.json" "$IMAGE"
	assert_contains "$output" "(nothing limits the container in its place)"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" --policy "$BATS_TEST_TMPDIR/policy.json" "$IMAGE"
	kill_tasks "$(container_pid "$VICTIM-twin")"
	victim_succeeds
}

@test "cgroup: a list of devices of v1 is lost, and that is said" {
	local text="1 setting of a cgroup of v1 in devices.list"
	requires root
	[[ -w /sys/fs/cgroup/devices/cgroup.procs ]] || skip "requires cgroup-v1"
	victim_start idle
	characters_saved() {
		echo a >"$1/devices.deny"
		echo "c *:* rwm" >"$1/devices.allow"
		ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	}
	limited devices characters_saved
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" "CONTAINER cgroup saved $text invoker - -> drop rule strict/losses"
	run -0 --separate-stderr ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	assert_contains "$stderr" "note: lost: $text"
	kill_tasks "$(container_pid "$VICTIM-twin")"
	victim_succeeds
}

@test "cgroup: limits of huge pages need the controller" {
	requires cgroup-v2
	nested_start
	echo 7 >"$(own_cgroup)/a/cgroup.max.descendants"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# The settings stand behind four cgroups: the one there is becomes one of hugetlb.2MB.max.
	run -0 "$BUILD/tests/forge" edit "$IMAGE" "$IMAGE.forged" CGRP+36:4=24
	run ctckpt plan "$IMAGE.forged"
	# Root's engines turn it on for all that is below the root, and never off.
	if ((status == 0)); then
		grep -qw hugetlb /sys/fs/cgroup/cgroup.subtree_control
		assert_contains "$(tr -s ' ' <<<"$output")" "a/hugetlb.2MB.max saved 7 invoker"
	else
		assert_equal "$status" 3
		assert_contains "$(tr -s ' ' <<<"$output")" \
			"a/hugetlb.2MB.max saved 7 invoker no such controller -> REFUSE"
	fi
}
