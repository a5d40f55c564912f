# For tests of the hooks: states as engines write them, and hook files.

# shellcheck disable=SC2034 # variables for the tests

# state_json ID PID [KEY=VALUE...]: the state of a running container, with these annotations.
state_json() {
	python3 - "$@" <<'PYTHON'
import json, sys
identity, pid, *annotations = sys.argv[1:]
print(json.dumps({"ociVersion": "1.0.2", "id": identity, "status": "running", "pid": int(pid),
	"bundle": "/nowhere", "annotations": dict(pair.split("=", 1) for pair in annotations)}))
PYTHON
}

# hook STAGE ID PID [KEY=VALUE...]: calls it, which never fails, and prints what it says.
hook() {
	local stage=$1
	shift
	state_json "$@" | timeout 100 "$CTCKPT" oci-hook --below / --least 1 "$stage" 2>&1
}

# hook_files DIR: as `make install` makes them, for this program.
hook_files() {
	local stage
	mkdir -p "$1"
	for stage in createRuntime poststart poststop precreate; do
		cat >"$1/ctckpt-$stage.json" <<-END
			{"version": "1.0.0", "stages": ["$stage"],
			 "hook": {"path": "$CTCKPT", "args": ["ctckpt", "oci-hook", "--below", "/", "$stage"], "timeout": 10},
			 "when": {"annotations": {"^org\\\\.ctckpt\\\\.(name|auto|restore)$": ".+"}}}
		END
	done
}

# bundle_hook [KEY=VALUE...]: $BUNDLE gets these annotations and all hooks, and a network of its own.
bundle_hook() {
	bundle_edit '
config.setdefault("annotations", {}).update(pair.split("=", 1) for pair in arguments[1:])
if not any(space["type"] == "network" for space in linux["namespaces"]):
	linux["namespaces"].append({"type": "network"})
hooks = config.setdefault("hooks", {})
for stage in ("createRuntime", "poststart", "poststop"):
	hooks[stage] = [{"path": arguments[0], "args": ["ctckpt", "oci-hook", "--below", "/", stage], "timeout": 10}]
' "$CTCKPT" "$@"
}

# images_of DIR: the names of all images there.
images_of() {
	(cd "$1" && echo *.ckpt)
}

# podman calls the hooks of hook_files; load engine, too.
podman_hooks() {
	hook_files "$BATS_TEST_TMPDIR/hooks.d"
	engine_podman info >/dev/null
	sed -i "/^\[engine\]/a hooks_dir = [\"$BATS_TEST_TMPDIR/hooks.d\"]" "$STORAGE/containers.conf"
}
