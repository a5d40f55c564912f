#!/usr/bin/env bats
# nginx and redis in containers of each engine, under load by clients inside of them who keep their
# connections, notice no error, and find their data again.

# bats file_tags=cgroup

load helper
load engine
load hooks

SERVICES=$(cd "$BATS_TEST_DIRNAME/../services" && pwd)

teardown() {
	ctckpt delete --force "$VICTIM" 2>/dev/null || true
	# Files of ids that are no user's outside.
	[[ $EUID == 0 || ! -e $STORAGE/containers.conf ]] || engine_podman unshare rm -rf "$ROOTFS/data"
	engine_teardown
	test_teardown
}

# A root directory with the host's programs, once they are mounted.
services_rootfs() {
	local dir
	mkdir -p "$ROOTFS"/{data,dev,etc,proc,run,services,sys,tmp,usr,v}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$ROOTFS/$dir"
	done
	chmod 1777 "$ROOTFS/tmp" "$ROOTFS/v"
	printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$ROOTFS/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOTFS/etc/group"
	VICTIM_DIR=$ROOTFS/v
}

# bundle_service ENGINE FILE: starts a program in tests/services.
bundle_service() {
	services_rootfs
	bundle_make /usr/bin/python3 "/services/$2"
	bundle_edit '
process["env"] += ["VICTIM_DIR=/v", "SERVICE_DATA=/data"]
# What an ordinary user gets by default is the network of the host.
if {"type": "network"} not in linux["namespaces"]:
	linux["namespaces"].append({"type": "network"})
process["capabilities"]["bounding"] += ["CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"]
for names in process["capabilities"].values():
	names[:] = process["capabilities"]["bounding"]
mounts += [
	{"destination": "/usr", "source": "/usr", "type": "bind", "options": ["rbind", "ro"]},
	{"destination": "/services", "source": arguments[0], "type": "bind", "options": ["bind", "ro"]},
	{"destination": "/data", "source": "tmpfs", "type": "tmpfs", "options": ["nosuid", "nodev"]}]
' "$SERVICES"
	# The workers of nginx are another user.
	[[ $2 != nginx.py || $EUID == 0 ]] || bundle_map_ranges
	bundle_start "$1" "$VICTIM"
	service_awaits
}

# podman_service NAME OPTION... COMMAND...: the container NAME of podman's, with what services need.
podman_service() {
	podman_start "$1" --annotation=org.ctckpt.name="$1" --volume=/usr:/usr:ro \
		--volume="$SERVICES:/services:ro" --env=SERVICE_DATA=/data "${@:2}"
}

service_awaits() {
	engine_await ready result
	[[ ! -e $VICTIM_DIR/result ]] || fail "$(<"$VICTIM_DIR/result")"
}

# Each client gets further.
goes_on() {
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/pong" || fail "$(cat "$VICTIM_DIR/result" "$VICTIM_DIR/log")"
	rm "$VICTIM_DIR/pong"
}

# lives NAME: the container of $PID stalls and goes on; then saved as $IMAGE.twin it goes on, too,
# and saved as $IMAGE it ends.
lives() {
	run -0 ctckpt freeze "$1"
	: >"$VICTIM_DIR/ping"
	assert_equal "$(ctckpt ps | awk -v name="$1" '$1 == name { print $2, $4 }')" "$PID frozen"
	[[ -e $VICTIM_DIR/ping && ! -e $VICTIM_DIR/pong ]]
	run -0 ctckpt thaw "$1"
	goes_on
	run -0 ctckpt checkpoint --leave-running "$1" -o "$IMAGE.twin"
	: >"$VICTIM_DIR/ping"
	goes_on
	run -0 ctckpt checkpoint "$1" -o "$IMAGE"
	"$AWAIT" -t 100 -p "$PID"
}

status_of() {
	python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

# returns BUNDLE: from $IMAGE, by config.json.
returns() {
	run -0 ctckpt restore --detach --name "$VICTIM" --bundle "$1" "$IMAGE"
	PID=$(ctckpt state "$VICTIM" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
	: >"$VICTIM_DIR/ping"
	goes_on
}

# The clients compare all data, and end.
verifies() {
	: >"$VICTIM_DIR/go"
	"$AWAIT" -t 100 -p "$PID" "$VICTIM_DIR/result"
	assert_equal "$(<"$VICTIM_DIR/result")" ok
	"$AWAIT" -t 100 -p "$PID"
}

succeeds() {
	verifies
	assert_equal "$(ctckpt state "$VICTIM" | status_of)" stopped
	run -0 ctckpt delete "$VICTIM"
}

# travels NAME: $IMAGE through a layout, which other tools copy, and back.
travels() {
	local layout=$BATS_TEST_TMPDIR/layout copy=$BATS_TEST_TMPDIR/copy
	export TMPDIR=$BATS_TEST_TMPDIR
	run -0 ctckpt export "$IMAGE" "oci:$layout:v1"
	run -0 skopeo inspect --raw "oci:$layout:v1"
	assert_contains "$output" "\"org.criu.checkpoint.container.name\": \"$1\""
	run -0 skopeo --insecure-policy copy "oci:$layout:v1" "oci:$copy:v1"
	run -0 ctckpt import "oci:$copy:v1" -o "$IMAGE.back"
	cmp "$IMAGE" "$IMAGE.back"
	rm -r "$layout" "$copy"
	mv "$IMAGE.back" "$IMAGE"
}

# returns_as_init ENGINE: in a new container of the engine's, by the bundle as precreate changes it.
returns_as_init() {
	run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
	run -0 ctckpt delete "$VICTIM"
	bundle_hook "org.ctckpt.restore=$IMAGE" "org.ctckpt.name=$VICTIM"
	ctckpt oci-hook --below / precreate <"$BUNDLE/config.json" >"$BUNDLE/new"
	mv "$BUNDLE/new" "$BUNDLE/config.json"
	bundle_start "$1" "$VICTIM"
	: >"$VICTIM_DIR/ping"
	goes_on
	assert_equal "$(ctckpt ps --quiet | grep -cx "$VICTIM")" 1
}

# bundle_lives ENGINE FILE
bundle_lives() {
	bundle_service "$@"
	lives "$VICTIM"
	travels "$VICTIM"
	assert_equal "$("$1" state "$VICTIM" | status_of)" stopped
	run -0 "$1" delete "$VICTIM"
	returns "$BUNDLE"
	returns_as_init "$1"
	verifies
	run -0 "$1" delete --force "$VICTIM"
}

# podman_lives FILE: and then as the first process of another container of podman's, and at last
# without podman.
podman_lives() {
	# Root's are in one registry, whichever test they are of.
	local config web=web-$VICTIM again=again-$VICTIM
	export CTCKPT_ENGINE_ROOT=$STORAGE/root
	services_rootfs
	podman_hooks
	podman_service "$web" /usr/bin/python3 "/services/$1"
	service_awaits
	lives "$web"
	"$AWAIT" -t 100 -p "$CONMON"
	travels "$web"
	assert_equal "$(engine_podman inspect --format '{{.State.Status}}' "$web")" exited
	config=$(engine_podman inspect --format '{{.OCIConfigPath}}' "$web")

	podman_service "$again" --annotation=org.ctckpt.restore="$IMAGE" ignored
	: >"$VICTIM_DIR/ping"
	goes_on
	run -0 ctckpt checkpoint --force "$again" -o "$IMAGE"
	"$AWAIT" -t 100 -p "$CONMON"
	assert_equal "$(engine_podman inspect --format '{{.State.Status}}' "$again")" exited
	returns "$(dirname "$config")"
	succeeds
}

@test "engine services: nginx in runc's container" {
	engine_requires runc subuid cmd-skopeo cmd-nginx
	bundle_lives runc nginx.py
}

@test "engine services: redis in runc's container" {
	engine_requires runc cmd-skopeo cmd-redis-server
	bundle_lives runc redis.py
}

@test "engine services: nginx in crun's container" {
	engine_requires crun subuid cmd-skopeo cmd-nginx
	bundle_lives crun nginx.py
}

@test "engine services: redis in crun's container" {
	engine_requires crun cmd-skopeo cmd-redis-server
	bundle_lives crun redis.py
}

@test "engine services: nginx in podman's container" {
	engine_requires podman cmd-skopeo cmd-nginx
	podman_lives nginx.py
}

@test "engine services: redis in podman's container" {
	engine_requires podman cmd-skopeo cmd-redis-server
	podman_lives redis.py
}
