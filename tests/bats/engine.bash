# Containers of runc, crun and podman, for tests, in a root directory of busybox. Nothing on the host
# changes: what engines keep is in the test's own directory, and teardown ends what they run.
#
# load helper, then engine.

# shellcheck disable=SC2034 # variables for the tests

ENGINE_ADDRESSES=(6200000 65535) # of the ordinary user in /etc/subuid: tests/in-mode

setup() {
	test_setup
	engine_setup
}

teardown() {
	engine_teardown
	test_teardown
}

engine_setup() {
	ROOTFS=$BATS_TEST_TMPDIR/rootfs
	BUNDLE=$BATS_TEST_TMPDIR/bundle
	# podman wants a short path.
	STORAGE=$(mktemp -d /tmp/ctckpt-podman.XXXXXX)
	ENGINE_STARTED=$BATS_TEST_TMPDIR/started
	: >"$ENGINE_STARTED"
	# Of ordinary users, and of crun, it is what they use without being told.
	RUNC_STATE=$XDG_RUNTIME_DIR/runc CRUN_STATE=$XDG_RUNTIME_DIR/crun
}

# Of root, it would be the state directory of the whole mode.
runc() {
	command runc --root "$RUNC_STATE" "$@"
}

# engine ENGINE ARGUMENT...: with a limit of time.
engine() {
	local options=()
	[[ $1 != runc ]] || options=(--root "$RUNC_STATE")
	timeout 100 "$1" "${options[@]}" "${@:2}"
}

# Ends what bundle_start and podman_start have started.
engine_teardown() {
	local engine name
	while read -r engine name; do
		case $engine in
		podman) podman_quit ;;
		conmon) "$AWAIT" -t 100 -p "$name" || fail "conmon $name does not end" ;;
		*) engine "$engine" delete --force "$name" >/dev/null 2>&1 || true ;;
		esac
	done <"$ENGINE_STARTED"
	rm -rf "$STORAGE"
	# crun makes directories where v2 would be (tests/in-mode), and writes files.
	[[ -e /sys/fs/cgroup/unified/cgroup.procs ]] || rm -rf "/sys/fs/cgroup/unified/$VICTIM"
	((EUID != 0)) || cgroups_like "*/$VICTIM*" | xargs -r rmdir
}

# engine_requires ENGINE [NEED...]: skips the test where this mode cannot have that engine's
# containers.
engine_requires() {
	local engine=$1
	shift
	requires cmd-busybox "cmd-$engine" "$@"
	case $engine in
	# Without a cgroup that they may use, ordinary users' containers have none.
	runc) ((EUID != 0)) || requires cgroup ;;
	crun) requires cgroup ;;
	podman) if ((EUID == 0)); then requires cgroup; else requires subuid cmd-newuidmap; fi ;;
	esac
}

# engine_rootfs [PROGRAM...]: $ROOTFS, with busybox, and programs in /bin with what they need. What
# is $VICTIM_DIR outside, is /v inside.
engine_rootfs() {
	local applet program file
	mkdir -p "$ROOTFS"/{bin,dev,etc,proc,run,sys,tmp,v}
	chmod 1777 "$ROOTFS/tmp" "$ROOTFS/v"
	cp "$(command -v busybox)" "$ROOTFS/bin/busybox"
	for applet in sh cat echo sleep true id mount ls grep; do
		ln -sf busybox "$ROOTFS/bin/$applet"
	done
	printf 'root:x:0:0::/:/bin/sh\n' >"$ROOTFS/etc/passwd"
	for program; do
		cp "$program" "$ROOTFS/bin/"
		while read -r file; do
			mkdir -p "$ROOTFS$(dirname "$file")"
			cp -L "$file" "$ROOTFS$file"
		done < <(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+')
	done
	VICTIM_DIR=$ROOTFS/v
}

# bundle_make COMMAND...: $BUNDLE, as `spec` of runc makes it for this user, to run a command in
# $ROOTFS (made if it is not there), which may write there.
bundle_make() {
	[[ -d $ROOTFS ]] || engine_rootfs
	mkdir -p "$BUNDLE"
	if ((EUID == 0)); then
		runc spec --bundle "$BUNDLE"
	else
		runc spec --rootless --bundle "$BUNDLE"
	fi
	bundle_edit '
process["terminal"] = False
process["args"] = arguments[1:]
config["root"] = {"path": arguments[0], "readonly": False}
# It would need more locked memory than root may have here, with v2.
if (os.geteuid() == 0 and os.environ["CTCKPT_TEST_CGROUP"] == "v2"):
	del linux["resources"]
# Without a path of their own they are made where only root may.
if os.geteuid() != 0 and os.environ["CTCKPT_TEST_CGROUP"] == "v2":
	linux["cgroupsPath"] = os.path.dirname(open("/proc/self/cgroup").read().split("::")[1].strip()) + "/" + os.environ["VICTIM"]
' "$ROOTFS" "$@"
}

# bundle_edit PYTHON [ARGUMENT...]: changes $BUNDLE/config.json; config, process, mounts, linux and
# arguments are there.
bundle_edit() {
	VICTIM=$VICTIM python3 - "$BUNDLE/config.json" "$@" <<'PYTHON'
import json, os, sys
path, program, *arguments = sys.argv[1:]
config = json.load(open(path))
process, mounts, linux = config["process"], config["mounts"], config["linux"]
exec(program)
json.dump(config, open(path, "w"), indent=1)
PYTHON
}

# bundle_victim NAME [ARGUMENT...]: $BUNDLE runs tests/victim/NAME.c.
bundle_victim() {
	engine_rootfs "$BUILD/victim/$1"
	bundle_make "/bin/$1" "${@:2}"
	bundle_edit 'process["env"].append("VICTIM_DIR=/v")'
}

# engine_await FILE...: until one of these is in $VICTIM_DIR, or process $PID has ended.
engine_await() {
	"$AWAIT" -p "$PID" "${@/#/$VICTIM_DIR/}" && return
	fail "while waiting for $*: $(cat "$VICTIM_DIR/result" "$VICTIM_DIR/log" 2>/dev/null)"
}

# engine_succeeds: the victim verifies itself, and ends.
engine_succeeds() {
	: >"$VICTIM_DIR/go"
	engine_await result && assert_equal "$(<"$VICTIM_DIR/result")" ok && "$AWAIT" -p "$PID"
}

# engine_checkpoint NAME [OPTION...]: saves the container of $PID. VOLUMES are options of restore for
# what it has mounted of the host's.
engine_checkpoint() {
	local mounts=$BATS_TEST_TMPDIR/mountinfo point refused
	cp "/proc/$PID/mountinfo" "$mounts"
	run -0 ctckpt checkpoint "$@" -o "$IMAGE"
	run --separate-stderr ctckpt plan --json --rootfs "$ROOTFS" --policy map "$IMAGE"
	# shellcheck disable=SC2154 # run sets it
	refused=$(python3 -c '
import json, sys
for row in json.load(sys.stdin)["decisions"]:
	if row["class"].startswith("mount") and row["outcome"] == "refuse":
		print(row["subject"].split()[-1])' <<<"$output")
	VOLUMES=()
	for point in $refused; do
		case $point in
		/sys/*) VOLUMES+=(--volume "$point:$point") ;;
		*) VOLUMES+=(--volume "$(awk -v point="$point" '$5 == point { print $4 }' "$mounts"):$point") ;;
		esac
	done
}

# bundle_map_ranges: the user's subordinate ids are in the container, too.
bundle_map_ranges() {
	bundle_edit '
for key, own in (("uidMappings", os.getuid()), ("gidMappings", os.getgid())):
	linux[key] = [{"containerID": 0, "hostID": own, "size": 1},
		{"containerID": 1, "hostID": int(arguments[0]), "size": int(arguments[1])}]
' "${ENGINE_ADDRESSES[@]}"
}

# bundle_start ENGINE NAME [OPTION...]: starts $BUNDLE in the background; its output goes to
# $VICTIM_DIR/log. Sets PID.
bundle_start() {
	local engine=$1 name=$2
	shift 2
	echo "$engine $name" >>"$ENGINE_STARTED"
	engine "$engine" run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$@" "$name" \
		</dev/null >"$VICTIM_DIR/log" 2>&1 3>&- || fail "$engine did not start $name: $(<"$VICTIM_DIR/log")" || return
	PID=$(<"$BUNDLE/pid")
}

# engine_podman ARGUMENT...: podman with the test's own storage.
engine_podman() {
	if [[ ! -e $STORAGE/containers.conf ]]; then
		cat >"$STORAGE/containers.conf" <<-END
			[containers]
			default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
			netns = "none"
			pids_limit = 0
			log_driver = "k8s-file"
			[engine]
			cgroup_manager = "cgroupfs"
			events_logger = "file"
			lock_type = "file"
			runtime = "runc"
			[engine.runtimes]
			runc = ["$STORAGE/runc"]
			[network]
			network_backend = "cni"
		END
		# conmon, too, has to know where the state is.
		printf '#!/bin/sh\nexec %s --root %s "$@"\n' "$(type -P runc)" "$RUNC_STATE" >"$STORAGE/runc"
		chmod +x "$STORAGE/runc"
		echo podman >>"$ENGINE_STARTED"
	fi
	CONTAINERS_CONF=$STORAGE/containers.conf timeout 120 podman --log-level error \
		--root "$STORAGE/root" --runroot "$STORAGE/run" --tmpdir "$STORAGE/tmp" \
		--storage-driver "${ENGINE_DRIVER:-vfs}" "$@" 3>&-
}

# podman_start NAME [OPTION...] COMMAND...: in $ROOTFS (made if it is not there). Sets PID and CONMON.
podman_start() {
	local name=$1
	shift
	[[ -d $ROOTFS ]] || engine_rootfs
	# What comes before the command are options: --rootfs has to be the last.
	local options=()
	# Root's podman never removes the cgroup above its containers; and what it mounts for them, for
	# all to see, is gone with them: other tests' containers may have it among theirs.
	((EUID != 0)) || options+=(--cgroup-parent "/$VICTIM" --ipc none)
	while [[ $1 == -* ]]; do
		options+=("$1")
		shift
	done
	engine_podman run --detach --name "$name" --env VICTIM_DIR=/v "${options[@]}" --rootfs "$ROOTFS" "$@" \
		>"$BATS_TEST_TMPDIR/$name.id" || return
	read -r PID CONMON < <(engine_podman inspect --format '{{.State.Pid}} {{.State.ConmonPid}}' "$name")
	echo "conmon $CONMON" >>"$ENGINE_STARTED"
}

podman_quit() {
	local pause=$STORAGE/tmp/pause.pid
	engine_podman rm --all --force --time 0 >/dev/null || true
	# What ids of the containers own; then the process that keeps their user namespace.
	# shellcheck disable=SC2016 # the other shell's
	((EUID == 0)) || engine_podman unshare sh -c 'umount "$1/overlay" 2>/dev/null; rm -rf "$1"' - "$STORAGE/root"
	[[ ! -s $pause ]] || kill_tasks "$(<"$pause")"
}
