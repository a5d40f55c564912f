#!/usr/bin/env bats
# tests/bats/engine.bash itself: each engine runs a container in each mode, and nothing is left.

# bats file_tags=cgroup

load helper
load engine

# state_of ENGINE NAME
state_of() {
	"$1" state "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

@test "engine: runc runs a container" {
	engine_requires runc
	bundle_make sleep 100
	bundle_start runc "$VICTIM"
	assert_equal "$(state_of runc "$VICTIM")" running
	[[ -d $RUNC_STATE/$VICTIM ]]
}

@test "engine: runc runs a container with ranges of ids" {
	engine_requires runc user subuid
	bundle_make sleep 100
	bundle_map_ranges
	bundle_start runc "$VICTIM"
	assert_equal "$(wc -l <"/proc/$PID/uid_map")" 2
}

@test "engine: crun runs a container" {
	engine_requires crun
	bundle_make sleep 100
	bundle_start crun "$VICTIM"
	assert_equal "$(state_of crun "$VICTIM")" running
	[[ -d $CRUN_STATE/$VICTIM ]]
}

@test "engine: podman runs a container" {
	engine_requires podman
	podman_start web sleep 100
	assert_equal "$(engine_podman inspect --format '{{.State.Status}}' web)" running
	[[ -e /proc/$PID ]]
}
