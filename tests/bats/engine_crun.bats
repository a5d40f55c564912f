#!/usr/bin/env bats
# Containers that crun has started.

# bats file_tags=cgroup

load helper
load engine

state_of() {
	crun state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

@test "crun: a container is frozen and thawed by its id" {
	engine_requires crun
	bundle_make sleep 1000
	bundle_start crun "$VICTIM"
	run -0 ctckpt freeze "$VICTIM"
	run -0 ctckpt ps --engine crun
	assert_contains "$output" "crun        frozen"
	run -0 ctckpt thaw "crun:$VICTIM"
	assert_equal "$output" "crun:$VICTIM: goes on"
}

@test "crun: after a checkpoint the container goes on" {
	engine_requires crun
	bundle_victim eventfd
	bundle_start crun "$VICTIM"
	engine_await ready result
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	assert_equal "$(state_of "$VICTIM")" running
	engine_succeeds
}

@test "crun: after a checkpoint the container has ended for crun, too, and comes back" {
	engine_requires crun
	bundle_victim eventfd
	bundle_start crun "$VICTIM"
	engine_await ready result
	engine_checkpoint "$VICTIM"
	assert_equal "$(state_of "$VICTIM")" stopped
	run -0 ctckpt restore --detach --policy map --rootfs "$ROOTFS" "${VOLUMES[@]}" --name "$VICTIM" "$IMAGE"
	victim_succeeds
}

@test "crun: a container that was created only, is not frozen" {
	engine_requires crun
	bundle_make sleep 1000
	echo "crun $VICTIM" >>"$ENGINE_STARTED"
	engine crun create --bundle "$BUNDLE" "$VICTIM" </dev/null >"$VICTIM_DIR/log" 2>&1 3>&-
	run -1 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "container $VICTIM was created, and not started yet"
}
