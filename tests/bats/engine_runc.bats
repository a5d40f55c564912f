#!/usr/bin/env bats
# Containers that runc has started.

# bats file_tags=cgroup

# shellcheck disable=SC2030,SC2031 # tests are subshells

load helper
load engine
load hooks

state_of() {
	runc state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

# member KEY NAME: of what ps says of a container.
member() {
	ctckpt ps --json | python3 -c '
import json, sys
key, name = sys.argv[1:]
print(*[one[key] for one in json.load(sys.stdin) if one["name"] == name])' "$@"
}

# Stops and goes on by the container's own cgroup, or a holder where it has none.
freezes() {
	bundle_start runc "$VICTIM"
	assert_equal "$(member engine "$VICTIM") $(member state "$VICTIM") $(member pid "$VICTIM")" "runc running $PID"
	run -0 ctckpt freeze "$VICTIM"
	assert_equal "$(member state "$VICTIM")" frozen
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$(member state "$VICTIM")" running
}

@test "runc: a container is frozen and thawed by its id" {
	engine_requires runc
	bundle_make sleep 1000
	freezes
	if has cgroup; then
		[[ $(member cgroup "$VICTIM") == */"$VICTIM" ]]
	fi
}

@test "runc: one with ranges of ids is frozen and thawed" {
	engine_requires runc user subuid
	bundle_make sleep 1000
	bundle_map_ranges
	freezes
}

@test "runc: what is frozen by its cgroup, is paused for runc" {
	engine_requires runc cgroup
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	run -0 ctckpt freeze "$VICTIM"
	assert_equal "$(state_of "$VICTIM")" paused
	run -0 runc resume "$VICTIM"
	assert_equal "$(member state "$VICTIM")" running
	run -0 runc pause "$VICTIM"
	assert_equal "$(member state "$VICTIM")" frozen
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$(state_of "$VICTIM")" running
}

@test "runc: a container without a cgroup of its own is held, and its cgroup is left alone" {
	engine_requires runc user
	! has cgroup || skip "requires no such cgroup"
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	assert_equal "$(<"/proc/$PID/cgroup")" "$(</proc/self/cgroup)"
	run -0 ctckpt freeze --json "$VICTIM"
	assert_contains "$output" '"has_holder": true'
	assert_equal "$(member cgroup "$VICTIM")" None
	run -0 ctckpt thaw "$VICTIM"
}

@test "runc: a cgroup that two containers share is not frozen" {
	engine_requires runc cgroup
	bundle_make sleep 1000
	has user && ! has cgroup-v2 && skip "requires root"
	[[ $EUID -ne 0 ]] || bundle_edit 'linux["cgroupsPath"] = "/" + os.environ["VICTIM"]'
	bundle_start runc "$VICTIM-2"
	bundle_start runc "$VICTIM"
	run -0 ctckpt freeze --json "$VICTIM"
	assert_contains "$output" '"has_holder": true'
	assert_equal "$(member cgroup "$VICTIM") $(member state "$VICTIM-2")" "None running"
	run -0 ctckpt thaw "$VICTIM"
}

@test "runc: after a checkpoint the container goes on" {
	engine_requires runc
	bundle_victim eventfd
	bundle_start runc "$VICTIM"
	engine_await ready result
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_equal "$(state_of "$VICTIM")" running
	engine_succeeds
}

@test "runc: after a checkpoint the container has ended for runc, too" {
	engine_requires runc
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_equal "$(state_of "$VICTIM")" stopped
	run -1 ctckpt freeze "$VICTIM"
	assert_contains "$output" "container $VICTIM of runc has ended"
	run -0 runc delete "$VICTIM"
	run -1 ctckpt freeze "$VICTIM"
	assert_contains "$output" "there is no container $VICTIM"
}

# comes_back: $BUNDLE's victim, restored by us.
comes_back() {
	bundle_start runc "$VICTIM"
	engine_await ready result
	engine_checkpoint "$VICTIM"
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	victim_succeeds
}

@test "runc: a container comes back in its root directory" {
	engine_requires runc
	bundle_victim eventfd
	comes_back
}

@test "runc: mounts that were slaves of the host's are none after a restore, which is said" {
	engine_requires runc
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	grep -q ' / [a-z,]* master:' "/proc/$PID/mountinfo" || skip "requires shared mounts"
	engine_checkpoint "$VICTIM"
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	assert_contains "$output" "what is mounted outside of the container does not show on "
	run grep -l master: "/proc/$(container_pid "$VICTIM")/mountinfo"
	assert_equal "$output" ""
}

@test "runc: what is set below /proc/sys comes back, where the container may not write" {
	engine_requires runc
	bundle_victim sysv_msg
	bundle_edit 'linux["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
if not any(ns["type"] == "network" for ns in linux["namespaces"]):
	linux["namespaces"].append({"type": "network"})'
	bundle_start runc "$VICTIM"
	engine_await ready result
	engine_checkpoint "$VICTIM"
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	run -0 nsenter --user --net --preserve-credentials --target "$(container_pid "$VICTIM")" \
		cat /proc/sys/net/ipv4/ip_default_ttl
	assert_equal "$output" 77
	victim_succeeds
}

@test "runc: one with ranges of ids comes back" {
	engine_requires runc user subuid
	bundle_victim pipe
	bundle_map_ranges
	comes_back
}

@test "runc: the filter that config.json says is saved and comes back" {
	engine_requires runc
	bundle_victim seccomp
	bundle_edit 'linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
		"syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
			{"names": ["sysinfo"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}'
	comes_back
}

@test "runc: a filter that config.json does not say is refused by name" {
	engine_requires runc
	bundle_victim filtered
	bundle_start runc "$VICTIM"
	engine_await ready result
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "its seccomp filter cannot be read by an ordinary user"
	engine_succeeds
}

@test "runc: a container with another --root is found by --engine-root" {
	engine_requires runc
	bundle_make sleep 1000
	RUNC_STATE=$BATS_TEST_TMPDIR/elsewhere
	bundle_start runc "$VICTIM"
	run -1 ctckpt freeze "$VICTIM"
	assert_contains "$output" "there is no container $VICTIM"
	run -0 ctckpt ps --quiet --engine-root "$RUNC_STATE"
	assert_equal "$output" "$VICTIM"
	run -0 ctckpt freeze --engine-root "$RUNC_STATE" "$VICTIM"
	CTCKPT_ENGINE_ROOT=/nowhere run -2 ctckpt thaw "$VICTIM"
	assert_contains "$output" "engine root /nowhere: No such file or directory"
	CTCKPT_ENGINE_ROOT=$RUNC_STATE run -0 ctckpt thaw "runc:$VICTIM"
}

@test "runc: a name that an annotation gives does not stand for another container" {
	local other
	engine_requires runc
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	# The same one under both names is no question.
	run -0 hook createRuntime "$VICTIM" "$PID"
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
	run -0 hook poststop "$VICTIM" 0
	container_start "other-$VICTIM" sleep 1000
	other=$(container_pid "other-$VICTIM")
	run -0 hook createRuntime h2 "$other" "org.ctckpt.name=$VICTIM"
	run -2 ctckpt freeze "$VICTIM"
	assert_contains "$output" "$VICTIM may be each of ctckpt:$VICTIM, runc:$VICTIM"
	run -0 ctckpt freeze "ctckpt:$VICTIM"
	run -0 ctckpt thaw "ctckpt:$VICTIM"
	run -0 ctckpt freeze "runc:$VICTIM"
	assert_equal "$(member state "other-$VICTIM")" running
	run -0 ctckpt thaw "runc:$VICTIM"
	run -0 hook poststop h2 0 "org.ctckpt.name=$VICTIM"
}

@test "runc: names with other characters are a line each" {
	engine_requires runc
	bundle_make sleep 1000
	RUNC_STATE=$BATS_TEST_TMPDIR/elsewhere
	bundle_start runc "$VICTIM"
	cp -r "$RUNC_STATE" "$BATS_TEST_TMPDIR/evil"
	mv "$BATS_TEST_TMPDIR/evil/$VICTIM" "$BATS_TEST_TMPDIR/evil/"$'evil\nname\e[31m'
	sed -i "s/\"id\":\"$VICTIM\"/\"id\":\"evil\\\\nname\\\\u001b[31m\"/" "$BATS_TEST_TMPDIR"/evil/*/state.json
	run -0 ctckpt ps --quiet --engine-root "$BATS_TEST_TMPDIR/evil"
	assert_equal "$output" 'evil\x0aname\x1b[31m'
}

@test "runc: a container that was created only, is not frozen" {
	engine_requires runc
	bundle_make sleep 1000
	echo "runc $VICTIM" >>"$ENGINE_STARTED"
	engine runc create --bundle "$BUNDLE" "$VICTIM" </dev/null >"$VICTIM_DIR/log" 2>&1 3>&-
	assert_equal "$(member state "$VICTIM")" created
	run -1 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "container $VICTIM was created, and not started yet"
}

@test "runc: a state that others may write is not believed" {
	engine_requires runc
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	chmod 0666 "$RUNC_STATE/$VICTIM/state.json"
	run -1 ctckpt --verbose freeze "$VICTIM"
	assert_contains "$output" "state.json: others may write it"
	assert_contains "$output" "there is no container $VICTIM"
}

@test "runc: what belongs to another user is not believed" {
	engine_requires runc root
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	chown 1 "$RUNC_STATE/$VICTIM/state.json"
	run -1 ctckpt --verbose freeze "$VICTIM"
	assert_contains "$output" "state.json: it does not belong to the invoker or root"
	chown 1 "$RUNC_STATE"
	run -2 ctckpt freeze --engine-root "$RUNC_STATE" "$VICTIM"
	assert_contains "$output" "engine root $RUNC_STATE belongs to user 1, not to you or root"
	chown 0 "$RUNC_STATE" "$RUNC_STATE/$VICTIM/state.json"
}

@test "runc: a state that names another process is not believed" {
	engine_requires runc
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	sed -i "s/\"init_process_pid\":$PID/\"init_process_pid\":$$/" \
		"$RUNC_STATE/$VICTIM/state.json"
	run -1 ctckpt freeze "$VICTIM"
	assert_contains "$output" "container $VICTIM of runc has ended"
	sed -i "s/\"init_process_pid\":$$/\"init_process_pid\":$PID/" "$RUNC_STATE/$VICTIM/state.json"
}

@test "runc: a name of ctckpt's comes first, and an engine's is said with it" {
	engine_requires runc
	! has cgroup || skip "requires no such cgroup" # both would be called the same
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	ctckpt run --detach --name "$VICTIM" -- sleep 1000 >"$VICTIM_DIR/name"
	run -0 ctckpt freeze "runc:$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$output" "$VICTIM: was not frozen"
	run -0 ctckpt thaw "runc:$VICTIM"
	assert_equal "$output" "runc:$VICTIM: goes on"
}
