#!/usr/bin/env bats
# Containers of docker and containerd are those of a runc which keeps its state where they tell it to;
# here the tests do.

# shellcheck disable=SC2034 # engine.bash reads them

load helper
load engine

ID=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff

# docker_start DATA NAME: the container ID of this data directory.
docker_start() {
	RUNC_STATE=$XDG_RUNTIME_DIR/docker/runtime-runc/moby
	ROOTFS=$1/vfs/dir/4711
	mkdir -p "$RUNC_STATE" "$1/containers/$ID"
	echo "{\"ID\":\"$ID\",\"Name\":\"/$2\"}" >"$1/containers/$ID/config.v2.json"
	bundle_make sleep 1000
	bundle_start runc "$ID"
}

@test "docker: a container is known by its name, and by the beginning of its id" {
	engine_requires runc
	docker_start "$BATS_TEST_TMPDIR/data" "$VICTIM"
	run -0 ctckpt ps --quiet --engine docker
	assert_equal "$output" "$VICTIM"
	run -0 ctckpt freeze "docker:$VICTIM"
	run -0 ctckpt thaw "${ID:0:12}"
}

@test "docker: where ids are mapped, its directory is deeper" {
	engine_requires runc
	docker_start "$BATS_TEST_TMPDIR/data/100000.100000" "$VICTIM"
	run -0 ctckpt freeze "docker:$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
}

@test "docker: a name that others may write is not believed" {
	engine_requires runc
	docker_start "$BATS_TEST_TMPDIR/data" "$VICTIM"
	chmod 0666 "$BATS_TEST_TMPDIR/data/containers/$ID/config.v2.json"
	run -0 ctckpt ps --quiet --engine docker
	assert_equal "$output" "$ID"
}

@test "containerd: a container is known by its id" {
	engine_requires runc
	RUNC_STATE=$XDG_RUNTIME_DIR/containerd/runc/default
	mkdir -p "$RUNC_STATE"
	bundle_make sleep 1000
	bundle_start runc "$VICTIM"
	run -0 ctckpt ps --quiet --engine containerd
	assert_equal "$output" "$VICTIM"
	run -0 ctckpt freeze "containerd:$VICTIM"
	run -0 ctckpt thaw "$VICTIM"
}
