#!/usr/bin/env bats
# Containers of LXC are known by the names of their cgroups: here runc makes such ones, in a state
# directory that is not looked into.

# bats file_tags=cgroup

# shellcheck disable=SC2034 # engine.bash reads them

load helper
load engine

# lxc_start CGROUP: the container of $BUNDLE is in this cgroup.
lxc_start() {
	RUNC_STATE=$BATS_TEST_TMPDIR/elsewhere
	bundle_edit 'linux["cgroupsPath"] = arguments[0]' "$1"
	bundle_start runc "r-$VICTIM"
}

@test "lxc: a container is found by its cgroup" {
	engine_requires runc root cgroup
	bundle_make sleep 1000
	lxc_start "/lxc.payload.$VICTIM"
	run -0 ctckpt ps --quiet --engine lxc
	assert_contains "$output" "$VICTIM"
	run -0 ctckpt freeze "lxc:$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
	assert_equal "$output" "$VICTIM: goes on"
}

@test "lxc: one of a cgroup that is deeper, as those of ordinary users are" {
	engine_requires runc root cgroup
	bundle_make sleep 1000
	lxc_start "/$VICTIM/a.scope/lxc.payload.web-$VICTIM"
	run -0 ctckpt freeze "lxc:web-$VICTIM"
	run -0 ctckpt thaw "web-$VICTIM"
}

@test "lxc: one in a cgroup that another user could make is not believed" {
	engine_requires runc root cgroup
	bundle_make sleep 1000
	lxc_start "/$VICTIM/lxc.payload.web-$VICTIM"
	cgroups_like "*/$VICTIM" | xargs chown 1
	run -1 ctckpt freeze "lxc:web-$VICTIM"
	assert_contains "$output" "there is no container web-$VICTIM"
}

@test "lxc: a container comes back, though nothing says where its root directory is" {
	engine_requires runc root cgroup
	bundle_victim sysv_msg
	lxc_start "/lxc.payload.$VICTIM"
	engine_await ready result
	engine_checkpoint "lxc:$VICTIM"
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	victim_succeeds
}
