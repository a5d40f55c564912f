#!/usr/bin/env bats
# restore --bundle: the container is made by config.json of an OCI bundle; state, kill and delete.

load helper
load engine

SERVE='while :; do sh /v/ask >/v/draft 2>&1; cat /v/draft >/v/answer; : >/v/answered; done'

# The container $VICTIM, in $ROOTFS, does what it is asked to: see ask. Saved in $IMAGE.
saved() {
	requires cmd-busybox cmd-runc
	[[ -e $BUNDLE/config.json ]] || bundle_make true
	mkfifo "$VICTIM_DIR/ask"
	VICTIM_DIR=/v ctckpt run --detach --name "$VICTIM" --hostname saved --rootfs "$ROOTFS" "$@" -- \
		/bin/sh -c "$SERVE"
	ask 'echo kept >/dev/shm/file'
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
}

# What the container's shell says to a script.
ask() {
	rm -f "$VICTIM_DIR/answered"
	printf '%s\n' "$1" | timeout 100 tee "$VICTIM_DIR/ask" >/dev/null
	"$AWAIT" -t 100 "$VICTIM_DIR/answered" || fail "no answer to $1" || return
	cat "$VICTIM_DIR/answer"
}

# restored [OPTION...]: sets PID.
restored() {
	run -0 --separate-stderr ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$@" "$IMAGE"
	assert_equal "$output" "$VICTIM"
	PID=$(state_of pid)
}

teardown() {
	ctckpt delete --force "$VICTIM" 2>/dev/null || true
	engine_teardown
	test_teardown
}

# state_of KEY
state_of() {
	ctckpt state "$VICTIM" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# status_of FIELD...: of the container's first task.
status_of() {
	local field
	for field; do
		awk -v field="$field:" '$1 == field { print $2 }' "/proc/$PID/status"
	done
}

# bats test_tags=root
@test "bundle: tasks go on, with the bundle's host name and their own files in memory" {
	saved
	restored
	assert_equal "$(ask 'cat /proc/sys/kernel/hostname /dev/shm/file')" $'runc\nkept'
	assert_contains "$stderr" "note: host name saved: it is runc in the bundle"
}

@test "bundle: masked paths are empty, read-only paths are not written to" {
	saved
	bundle_edit '
linux["maskedPaths"] += ["/bin/busybox2", "/etc"]
linux["readonlyPaths"] += ["/tmp"]'
	restored
	assert_equal "$(ask 'cat /proc/keys /proc/timer_list; ls /etc; echo end')" end
	assert_contains "$(ask 'echo 1 >/proc/sys/kernel/hostname')" "Read-only file system"
	assert_contains "$(ask 'echo 1 >/tmp/file')" "Read-only file system"
	assert_contains "$(ask 'echo 1 >/etc/file')" "Read-only file system"
}

# bats test_tags=root
@test "bundle: its mounts are made, with its options" {
	saved
	mkdir "$BUNDLE/data" "$BUNDLE/more"
	echo bound >"$BUNDLE/data/file"
	bundle_edit '
mounts += [
	{"destination": "/mnt/data", "type": "bind", "source": "data", "options": ["rbind", "ro"]},
	{"destination": "/mnt/one", "source": os.path.dirname(sys.argv[1]) + "/data/file", "options": ["bind"]},
	{"destination": "/mnt/new", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "size=8k", "mode=700"]}]
for mount in mounts:
	if mount["destination"] == "/dev/shm":
		mount["options"] = ["nosuid", "size=16k"]'
	restored
	assert_equal "$(ask 'cat /mnt/data/file /mnt/one /dev/shm/file')" $'bound\nbound\nkept'
	assert_contains "$(ask 'echo 1 >/mnt/data/file')" "Read-only file system"
	run -0 grep -E ' /mnt/new | /dev/shm ' "/proc/$PID/mountinfo"
	assert_contains "${lines[0]}" " /dev/shm rw,nosuid"
	assert_contains "${lines[0]}" "size=16k"
	assert_contains "${lines[1]}" " /mnt/new rw,noexec"
	assert_contains "${lines[1]}" "size=8k,mode=700"
}

@test "bundle: of a part of the host that only comes with what is mounted in it, all has its options" {
	requires user
	saved
	bundle_edit 'mounts.append({"destination": "/mnt/dev", "type": "bind", "source": "/dev", "options": ["bind", "ro", "noexec", "nosuid"]})'
	restored
	assert_contains "$stderr" "note: mount /mnt/dev: what is mounted in /dev comes along, with its options"
	# shellcheck disable=SC2016 # awk's
	run -0 awk '$5 ~ "^/mnt/dev" && $6 !~ "^ro,nosuid.*noexec" { print; bad = 1 } $5 ~ "^/mnt/dev/" { below = 1 } END { exit bad || !below }' \
		"/proc/$PID/mountinfo"
}

@test "bundle: its root directory is read-only, if it says so" {
	saved
	bundle_edit '
config["root"]["readonly"] = True
mounts.append({"destination": "/v", "type": "bind", "source": config["root"]["path"] + "/v", "options": ["bind", "rw"]})'
	restored
	assert_contains "$(ask 'echo 1 >/tmp/file')" "Read-only file system"
}

# bats test_tags=root
@test "bundle: a process that is another user's does not come back as root" {
	saved
	bundle_edit 'process["user"] = {"uid": 1000, "gid": 1000}'
	run -3 ctckpt restore --detach --bundle "$BUNDLE" --name "$NAME" "$IMAGE"
	assert_contains "$output" "the bundle's process is another user's"
	run -3 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$(grep uid.effective <<<"$output")" "REFUSE  rule bundle (the bundle's process is another user's)"
}

@test "bundle: capabilities and limits are no more than its own" {
	saved
	bundle_edit '
for names in process["capabilities"].values():
	names[:] = ["CAP_KILL", "CAP_CHOWN"]
process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60},
	{"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615}]'
	run -0 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$(grep caps.permitted <<<"$output")" "drop  rule bundle"
	assert_contains "$(grep nofile.hard <<<"$output")" "clamp 60  rule bundle"
	assert_contains "$(grep no_new_privs <<<"$output")" "clamp on  rule bundle"
	restored
	assert_equal "$(status_of CapPrm CapEff CapBnd NoNewPrivs)" \
		$'0000000000000021\n0000000000000021\n0000000000000021\n1'
	assert_equal "$(awk '/open files/ { print $4, $5 }' "/proc/$PID/limits")" "50 60"
}

@test "bundle: its tasks are killed before others if it says so; what is not applied is named" {
	saved
	bundle_edit '
process["oomScoreAdj"] = 500
process["apparmorProfile"] = ""
process["scheduler"] = {"policy": "SCHED_BATCH"}
linux["personality"] = {"domain": "LINUX32"}'
	run -0 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$(grep oom_score_adj <<<"$output")" "-> clamp 500  rule bundle"
	restored
	assert_equal "$(<"/proc/$PID/oom_score_adj")" 500
	assert_contains "$stderr" "note: process.scheduler of the bundle is not applied"
	assert_contains "$stderr" "note: linux.personality of the bundle is not applied"
	[[ $stderr != *apparmorProfile* ]]
}

@test "bundle: what the tasks did not have, it does not give" {
	saved
	bundle_edit '
process["capabilities"] = {}
process["noNewPrivileges"] = False'
	restored
	assert_equal "$(status_of CapPrm CapEff CapBnd NoNewPrivs)" \
		$'0000000000000000\n0000000000000000\n0000000000000000\n0'
	[[ $(awk '/open files/ { print $5 }' "/proc/$PID/limits") -ge 50 ]]
}

@test "bundle: its seccomp filter is in force" {
	saved
	bundle_edit '
linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}'
	restored
	assert_equal "$(status_of Seccomp)" 2
	assert_contains "$(ask 'busybox mkdir /tmp/new')" "Operation not supported"
}

# saved_filtered RULES: saved with a filter.
saved_filtered() {
	requires cmd-busybox cmd-runc
	PROFILE=$BATS_TEST_TMPDIR/profile.json
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ['"$1"']}' >"$PROFILE"
	saved --seccomp "$PROFILE"
}

@test "bundle: its filter comes to a saved one, which stays" {
	saved_filtered '{"names": ["symlink", "symlinkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}'
	bundle_edit 'linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
	run -0 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$(grep seccomp <<<"$output")" "with the bundle's filter"
	restored
	assert_contains "$stderr" "note: tasks have two seccomp filters, the saved one and the bundle's"
	assert_equal "$(status_of Seccomp Seccomp_filters)" $'2\n2'
	assert_contains "$(ask 'busybox mkdir /tmp/new')" "Operation not permitted"
	assert_contains "$(ask 'busybox ln -s a /tmp/link')" "Operation not supported"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	assert_contains "$output" "its seccomp filter cannot be read by an ordinary user"
}

@test "bundle: a saved filter that forbids others comes behind its own" {
	saved_filtered '{"names": ["seccomp"], "action": "SCMP_ACT_ERRNO"}'
	bundle_edit 'linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
	restored
	assert_equal "$(status_of Seccomp_filters)" 2
}

@test "bundle: a saved filter that is its own is there once, and can be saved again" {
	saved_filtered '{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}'
	bundle_edit 'linux["seccomp"] = json.load(open(arguments[0]))' "$PROFILE"
	restored
	assert_equal "$(status_of Seccomp_filters)" 1
	assert_contains "$(ask 'busybox mkdir /tmp/new')" "Operation not permitted"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.2"
}

@test "bundle: sysctls and devices" {
	saved
	bundle_edit '
linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "77"}
linux["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]'
	restored
	assert_equal "$(ask 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni; busybox stat -c %t,%T /dev/fuse')" \
		$'1\n77\na,e5'
}

# hooks_edit: each hook says in $BUNDLE/hooks which it is, and what it was told.
hooks_edit() {
	cat >"$ROOTFS/hook" <<-'END'
		#!/bin/sh
		echo "$1 $WORD $(cat)" >>"$2"
	END
	chmod +x "$ROOTFS/hook"
	bundle_edit '
bundle = os.path.dirname(sys.argv[1])
def hook(stage):
	log = "/v/inside" if stage == "startContainer" else bundle + "/hooks"
	path = "/hook" if stage == "startContainer" else config["root"]["path"] + "/hook"
	return [{"path": path, "args": ["hook", stage, log], "env": ["WORD=w", "PATH=/bin"]}]
config["hooks"] = {stage: hook(stage) for stage in
	("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")}
config["annotations"] = {"org.x": "y"}
config["ociVersion"] = "1.0.2"'
}

@test "bundle: hooks run in their order, and are told the state" {
	saved
	hooks_edit
	restored
	run -0 ctckpt kill "$VICTIM" KILL
	"$AWAIT" -p "$PID"
	run -0 ctckpt delete "$VICTIM"
	local state='{"ociVersion": "1.0.2", "id": "'$VICTIM'", "status": "%s", "pid": %s, "bundle": "'$BUNDLE'", "annotations": {"org.x": "y"}}'
	# shellcheck disable=SC2059 # the format is ours
	assert_equal "$(<"$BUNDLE/hooks")" "$(
		printf "prestart w $state\n" creating "$PID"
		printf "createRuntime w $state\n" creating "$PID"
		printf "createContainer w $state\n" creating 1
		printf "poststart w $state\n" running "$PID"
		printf "poststop w $state\n" stopped 0
	)"
	# shellcheck disable=SC2059
	assert_equal "$(<"$VICTIM_DIR/inside")" "$(printf "startContainer w $state\n" created 1)"
}

@test "bundle: a hook that fails ends the restore, and is named" {
	saved
	local stage
	for stage in prestart createRuntime createContainer startContainer poststart; do
		hooks_edit
		bundle_edit 'config["hooks"][arguments[0]] = [{"path": "/bin/sh", "args": ["sh", "-c", "echo reasons; exit 3"]}]' "$stage"
		run -1 ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE"
		assert_contains "$output" "$stage hook /bin/sh: exit status 3: reasons"
		assert_equal "$(tail -n 1 "$BUNDLE/hooks" | cut -d ' ' -f 1)" poststop
		run -1 ctckpt state "$VICTIM"
	done
	assert_equal "$(ctckpt ps --quiet --engine ctckpt)" ""
}

# inside_edit SCRIPT: a shell of the container's runs it as its startContainer hook.
inside_edit() {
	bundle_edit '
config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", arguments[0]]}]}' "$1"
}

@test "bundle: a hook inside of the container is confined as its tasks are" {
	saved_filtered '{"names": ["symlink", "symlinkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}'
	bundle_edit '
for names in process["capabilities"].values():
	names[:] = ["CAP_KILL"]
linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}'
	inside_edit 'grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status >/v/inside
busybox mkdir /tmp/new 2>>/v/inside; busybox ln -s a /tmp/link 2>>/v/inside; true'
	restored
	assert_equal "$(tr -d ' \t' <"$VICTIM_DIR/inside" | head -n 4)" \
		$'CapEff:0000000000000020\nCapBnd:0000000000000020\nNoNewPrivs:1\nSeccomp:2'
	assert_contains "$(sed -n 5p "$VICTIM_DIR/inside")" "mkdir: can't create directory '/tmp/new': Operation not supported"
	assert_contains "$(sed -n 6p "$VICTIM_DIR/inside")" "Operation not supported"
}

@test "bundle: a hook inside of the container, with capabilities, does not see what its first task holds" {
	saved
	bundle_edit '
for names in process["capabilities"].values():
	names[:] = ["CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]'
	inside_edit 'grep CapEff /proc/self/status >/v/inside
cat /proc/1/fd/2 >>/v/inside 2>&1; cat /proc/1/environ >>/v/inside 2>&1; ls /proc/1/root/ >>/v/inside 2>&1; true'
	restored
	assert_contains "$(sed -n 1p "$VICTIM_DIR/inside")" "0000000000280002"
	assert_equal "$(sed -n '2,$p' "$VICTIM_DIR/inside")" "\
cat: can't open '/proc/1/fd/2': Permission denied
cat: can't open '/proc/1/environ': Permission denied
ls: /proc/1/root/: Permission denied"
}

@test "bundle: a hook that takes too long is killed" {
	saved
	bundle_edit 'config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}'
	run -1 ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "createRuntime hook /bin/sleep: not done after 1 seconds"
}

@test "bundle: in the foreground it is deleted when it ends" {
	saved
	hooks_edit
	ctckpt restore --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE" 2>/dev/null 3>&- &
	local restore=$!
	assert_equal "$(ask 'echo here')" here
	ctckpt kill "$VICTIM" KILL
	wait "$restore" || assert_equal $? 137
	assert_equal "$(tail -n 1 "$BUNDLE/hooks" | cut -d ' ' -f 1)" poststop
	run -1 ctckpt state "$VICTIM"
}

@test "bundle: state, kill and delete" {
	saved
	restored
	assert_equal "$(state_of status) $(state_of bundle) $(state_of id) $(state_of rootfs)" \
		"running $BUNDLE $VICTIM $ROOTFS"
	[[ $(state_of created) == 20??-??-??T??:??:??Z ]]
	ask 'trap "echo told >/v/told" USR1; kill -0 1'
	run -1 ctckpt delete "$VICTIM"
	assert_contains "$output" "container $VICTIM still runs"
	run -2 ctckpt kill "$VICTIM" SIGNONE
	assert_contains "$output" "SIGNONE is not a signal"
	run -0 ctckpt kill "$VICTIM" SIGKILL
	assert_equal "$(state_of status) $(state_of pid)" "stopped 0"
	run -1 ctckpt kill "$VICTIM"
	assert_contains "$output" "container $VICTIM does not run"
	run -1 ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "container $VICTIM exists already"
	run -0 ctckpt delete "$VICTIM"
	run -1 ctckpt delete "$VICTIM"
	assert_contains "$output" "no container $VICTIM was restored from a bundle"
	run -0 ctckpt delete --force "$VICTIM"
}

@test "bundle: delete forgets no other container that has its name" {
	saved
	restored
	run -0 ctckpt kill "$VICTIM" KILL
	"$AWAIT" -p "$PID"
	VICTIM_DIR=/v ctckpt run --detach --name "$VICTIM" --rootfs "$ROOTFS" -- /bin/sh -c "$SERVE"
	run -1 ctckpt kill "$VICTIM"
	assert_contains "$output" "container $VICTIM does not run"
	run -0 ctckpt delete "$VICTIM"
	assert_equal "$(ctckpt ps --quiet --engine ctckpt)" "$VICTIM"
	assert_equal "$(ask 'echo here')" here
	kill -KILL "$(container_pid "$VICTIM")"
}

@test "bundle: a name that a container has until it is deleted is not chosen" {
	saved
	restored
	run -0 ctckpt kill "$VICTIM" KILL
	"$AWAIT" -p "$PID"
	run -0 --separate-stderr ctckpt restore --detach --bundle "$BUNDLE" "$IMAGE"
	[[ $output != "$VICTIM" ]] || fail "it has the name of one that is not deleted"
	run -0 ctckpt delete --force "$output"
	assert_equal "$(state_of status)" stopped
}

@test "bundle: a container that is known in another pid namespace is let alone" {
	saved
	bundle_edit 'config["hooks"] = {"poststop": [{"path": "/bin/touch", "args": ["touch", os.path.dirname(sys.argv[1]) + "/stopped"]}]}'
	restored
	export CTCKPT VICTIM
	local command
	for command in state kill "kill --all" delete "delete --force"; do
		# shellcheck disable=SC2016,SC2086 # the other shell's; words
		run -1 unshare --user --map-root-user --pid --fork --mount-proc sh -c '"$CTCKPT" "$@" "$VICTIM"' sh $command
		assert_contains "$output" "container $VICTIM is known in another pid namespace"
	done
	[[ ! -e $BUNDLE/stopped ]]
	assert_equal "$(state_of status)" running
}

@test "bundle: the state has the words that runc has" {
	engine_requires runc
	bundle_make sleep 100
	bundle_edit 'config["annotations"] = {"org.x": "y"}'
	bundle_start runc "$VICTIM-runc"
	runc state "$VICTIM-runc" >"$BATS_TEST_TMPDIR/theirs"
	saved
	bundle_edit 'config["annotations"] = {"org.x": "y"}'
	restored
	ctckpt state "$VICTIM" >"$BATS_TEST_TMPDIR/ours"
	run -0 python3 -c '
import json, sys
theirs, ours = (json.load(open(f"{sys.argv[1]}/{name}")) for name in ("theirs", "ours"))
assert set(theirs) == set(ours), (theirs, ours)
for key in ("ociVersion", "status", "bundle", "rootfs", "annotations", "owner"):
	assert theirs[key] == ours[key], (key, theirs, ours)' "$BATS_TEST_TMPDIR"
}

@test "bundle: one that is left frozen is paused, and can be deleted" {
	saved
	restored --leave-frozen
	assert_equal "$(state_of status)" paused
	run -0 ctckpt delete --force "$VICTIM"
	"$AWAIT" -t 100 -p "$PID"
	run -1 ctckpt state "$VICTIM"
}

@test "bundle: a signal to all tasks" {
	saved
	restored
	run -0 ctckpt kill --all "$VICTIM" 9
	"$AWAIT" -t 100 -p "$PID"
}

# bats test_tags=root,cgroup
@test "bundle: a container of runc goes on, as its bundle says, in the middle of its work" {
	engine_requires runc
	engine_rootfs
	mkfifo "$VICTIM_DIR/ask"
	bundle_make sh -c "exec </dev/null >/dev/null 2>&1
i=0
while :; do i=\$((i + 1)); echo \$i >/dev/shm/count; done &
$SERVE"
	bundle_start runc "$VICTIM"
	ask 'echo kept >/dev/shm/file'
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 runc delete --force "$VICTIM"
	restored
	assert_equal "$(ask 'cat /dev/shm/file /proc/sys/kernel/hostname')" $'kept\nrunc'
	assert_equal "$(status_of CapEff NoNewPrivs)" $'0000000020000420\n1'
	ask 'a=$(cat /dev/shm/count); while [ "$(cat /dev/shm/count)" = "$a" ]; do :; done'
	assert_equal "$(ask 'cat /proc/keys; ls /sys/firmware; echo end')" end
}

# bats test_tags=root,cgroup
@test "bundle: who is not root has the groups of the bundle's process, and is in no other" {
	engine_requires runc root
	engine_rootfs
	mkfifo "$VICTIM_DIR/ask"
	bundle_make sh -c "exec </dev/null >/dev/null 2>&1; $SERVE"
	bundle_edit 'process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [27, 44]}'
	bundle_start runc "$VICTIM"
	ask true
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 runc delete --force "$VICTIM"
	restored
	assert_equal "$(ask 'id -G')" "1000 27 44"
	run -0 ctckpt delete --force "$VICTIM"
	bundle_edit 'process["user"]["additionalGids"] = [27]'
	run -3 --separate-stderr ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$stderr" "the bundle's process is not in this group"
	assert_contains "$stderr" "hint: name it in process.user.additionalGids of config.json"
	run -3 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$(grep "groups .*saved 44" <<<"$output")" "REFUSE  rule bundle"
}

@test "bundle: a container of podman goes on, as its bundle says" {
	engine_requires podman
	engine_rootfs
	mkfifo "$VICTIM_DIR/ask"
	podman_start web --ipc=private --hostname=inside sh -c "exec </dev/null >/dev/null 2>&1; $SERVE"
	ask 'echo kept >/dev/shm/file'
	run -0 ctckpt checkpoint --leave-running "$(<"$BATS_TEST_TMPDIR/web.id")" -o "$IMAGE"
	BUNDLE=$(dirname "$(engine_podman inspect --format '{{.OCIConfigPath}}' web)")
	restored
	assert_equal "$(status_of Seccomp)" 2
	kill_tasks "$(engine_podman inspect --format '{{.State.Pid}}' web)"
	assert_equal "$(ask 'cat /dev/shm/file /proc/sys/kernel/hostname /etc/hostname')" $'kept\ninside\ninside'
}

@test "bundle: a container with a terminal gets one, by way of a socket" {
	requires cmd-busybox cmd-runc cmd-python3
	bundle_make true
	bundle_edit 'process["terminal"] = True'
	local socket=$BATS_TEST_TMPDIR/socket
	on_socket() {
		timeout 100 "$BATS_TEST_DIRNAME/../tools/consolesocket.py" "$socket" "$@"
	}
	export CTCKPT VICTIM IMAGE
	run -0 on_socket 'expect:$ ' 'send:X=seven\r' 'expect:$ ' \
		'run:"$CTCKPT" checkpoint "$VICTIM" -o "$IMAGE" >/dev/null' \
		-- env PS1='$ ' "$CTCKPT" run --tty --name "$VICTIM" --rootfs "$ROOTFS" \
		--console-socket "$socket" -- /bin/sh
	run -0 on_socket 'send:echo $X; busybox ttysize; ls -l /dev/console\r' 'expect:seven' 'expect:/dev/console' \
		'run:"$CTCKPT" delete --force "$VICTIM"' -- "$CTCKPT" restore --bundle "$BUNDLE" \
		--name "$VICTIM" --console-socket "$socket" "$IMAGE"
	assert_contains "$output" "/dev/pts/0"
}

@test "bundle: ids of its maps, with ranges" {
	requires user subuid cmd-newuidmap
	saved
	bundle_map_ranges
	bundle_edit '[names.append("CAP_CHOWN") for names in process["capabilities"].values()]'
	restored
	assert_equal "$(awk '{ print $1, $3 }' "/proc/$PID/uid_map")" $'0 1\n1 65535'
	assert_equal "$(ask 'busybox chown 7 /dev/shm/file; busybox stat -c %u /dev/shm/file')" 7
}

@test "bundle: an id that its maps lack is refused" {
	requires user
	saved
	bundle_edit '
for key in ("uidMappings", "gidMappings"):
	linux[key][0]["containerID"] = 5'
	run -3 ctckpt plan --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "the bundle has no place for this id"
}

@test "bundle: what is wrong in it is said, with its place" {
	saved
	cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/whole"
	echo '{"ociVersion": "1.0.2", "mounts": 7}' >"$BUNDLE/config.json"
	run -2 ctckpt restore --detach --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "$BUNDLE/config.json:1:35: it must be an array"

	local edit want
	while IFS='|' read -r want edit; do
		cp "$BATS_TEST_TMPDIR/whole" "$BUNDLE/config.json"
		bundle_edit "$edit"
		run -3 ctckpt restore --detach --bundle "$BUNDLE" "$IMAGE"
		assert_contains "$output" "$want"
	done <<-'END'
		the network namespace of /proc/1/ns/net cannot be joined|linux["namespaces"] = [{"type": "network", "path": "/proc/1/ns/net"}]
		mount /x: type nfs is not supported|mounts.append({"destination": "/x", "type": "nfs", "source": "h:/"})
		mount /x: option idmap is not supported|mounts.append({"destination": "/x", "source": "/", "options": ["bind", "idmap"]})
		sysctl vm.swappiness is the host's: no container has its own|linux["sysctl"] = {"vm.swappiness": "1"}
		rootfsPropagation shared is not supported|linux["rootfsPropagation"] = "shared"
		add it to the bundle's mounts|mounts[:] = [mount for mount in mounts if mount["destination"] != "/dev/shm"]
	END
	run -2 ctckpt restore --detach --rootfs / --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "--bundle names the root directory and all mounts: --rootfs does not go with it"
	run -1 ctckpt restore --detach --bundle "$BUNDLE/nowhere" "$IMAGE"
	assert_contains "$output" "bundle $BUNDLE/nowhere: No such file or directory"
	chmod 666 "$BUNDLE/config.json"
	run -3 ctckpt restore --detach --bundle "$BUNDLE" "$IMAGE"
	assert_contains "$output" "$BUNDLE/config.json: others may write it"
}

@test "bundle: a link in the root directory leads nowhere else" {
	saved
	mkdir "$BATS_TEST_TMPDIR/outside"
	ln -s "$BATS_TEST_TMPDIR/outside" "$ROOTFS/link"
	bundle_edit 'mounts.append({"destination": "/link/in", "type": "tmpfs", "source": "tmpfs"})'
	run ctckpt restore --detach --name "$VICTIM" --bundle "$BUNDLE" "$IMAGE"
	[[ -z $(ls "$BATS_TEST_TMPDIR/outside") ]]
}
