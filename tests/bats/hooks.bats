#!/usr/bin/env bats
# What engines call: the registry, checkpoints that annotations ask for, and what must not be
# believed. tests/bats/hooks_engine.bats has the engines.

load helper
load hooks

# A container of ours stands for another engine's: it is registered a second time, as "web".
setup() {
	test_setup
	IMAGES=$BATS_TEST_TMPDIR/images
	container_start "$VICTIM" sleep 1000
	PID=$(container_pid "$VICTIM")
}

teardown() {
	hook poststop h1 0 org.ctckpt.name=web >/dev/null
	test_teardown
}

timer_pid() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get("timer", ""))' \
		"$XDG_RUNTIME_DIR/ctckpt/web.json"
}

@test "hooks: createRuntime registers a container" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	assert_equal "$output" ""
	assert_equal "$(container_pid web)" "$PID"
	run -0 ctckpt freeze web
	run -0 ctckpt thaw web
}

@test "hooks: a container without a name of its own is registered by its id" {
	run -0 hook createRuntime h1 "$PID"
	assert_equal "$(container_pid h1)" "$PID"
	run -0 hook poststop h1 0
	assert_equal "$(container_pid h1)" ""
}

@test "hooks: createRuntime twice is as good as once" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	assert_equal "$output" ""
	assert_equal "$(ctckpt ps --quiet | grep -c '^web$')" 1
}

@test "hooks: a name that a living container has is not taken from it" {
	run -0 hook createRuntime h1 "$PID" "org.ctckpt.name=web"
	container_start "other-$VICTIM" sleep 1000
	run -0 hook createRuntime h2 "$(container_pid "other-$VICTIM")" org.ctckpt.name=web
	assert_equal "$output" "ctckpt: container h2: container web (process $PID): File exists"
	assert_equal "$(container_pid web)" "$PID"
}

@test "hooks: poststop drops the entry, but not that of another container" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststop h2 0 org.ctckpt.name=web
	assert_equal "$(container_pid web)" "$PID"
	run -0 hook poststop h1 0 org.ctckpt.name=web
	assert_equal "$output" ""
	assert_equal "$(container_pid web)" ""
	run -0 hook poststop h1 0 org.ctckpt.name=web
	assert_equal "$output" ""
	run -0 hook poststop h1 0 "org.ctckpt.name=$VICTIM"
	assert_equal "$(container_pid "$VICTIM")" "$PID"
}

@test "hooks: whatever comes in, no hook fails" {
	local stage
	for stage in createRuntime poststart poststop; do
		run -0 --separate-stderr ctckpt oci-hook "$stage" <<<'{"id": "../x"}'
		assert_contains "$stderr" "ctckpt: the container's state: the state has no valid id"
		run -0 --separate-stderr ctckpt oci-hook "$stage" </dev/null
		assert_contains "$stderr" "ctckpt: the container's state: line 1"
		run -0 --separate-stderr ctckpt oci-hook "$stage" < <(head -c 2000000 /dev/zero)
		assert_contains "$stderr" "standard input is larger than 1048576 bytes"
	done
	run -0 --separate-stderr ctckpt oci-hook nonsense </dev/null
	assert_contains "$stderr" "there is no hook nonsense"
	assert_contains "$(cat "$XDG_RUNTIME_DIR/ctckpt/hooks.log")" "nonsense: there is no hook nonsense"
}

@test "hooks: a registry that cannot be written keeps no container from starting" {
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/missing
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	assert_contains "$output" "create $BATS_TEST_TMPDIR/missing/ctckpt: No such file or directory"
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
}

@test "hooks: without XDG_RUNTIME_DIR, that of the engine is meant" {
	state_json h1 "$PID" org.ctckpt.name=web >"$BATS_TEST_TMPDIR/state"
	run -0 sh -c 'env -u XDG_RUNTIME_DIR "$0" oci-hook createRuntime <"$1"; true' "$CTCKPT" "$BATS_TEST_TMPDIR/state"
	assert_equal "$output" ""
	assert_equal "$(container_pid web)" "$PID"
}

# bats test_tags=root
@test "hooks: what root's engines register without his XDG_RUNTIME_DIR is found with it" {
	requires root
	local name=second-$VICTIM
	[[ ! -e /run/ctckpt/$name.json ]]
	# Nobody above has the variable.
	state_json h1 "$PID" "org.ctckpt.name=$name" >"$BATS_TEST_TMPDIR/state"
	run -0 env -i sh -c '"$0" oci-hook createRuntime <"$1"; true' "$CTCKPT" "$BATS_TEST_TMPDIR/state"
	[[ -e /run/ctckpt/$name.json && ! -e $XDG_RUNTIME_DIR/ctckpt/$name.json ]] || fail "$output"
	assert_equal "$(container_pid "$name")" "$PID"
	run -0 ctckpt freeze "$name"
	run -0 ctckpt thaw "$name"
	# Another one does not get the name; and its entry goes where it is.
	run -1 ctckpt run --detach --name "$name" true
	assert_contains "$output" "container $name (process $PID): File exists"
	run -0 hook poststop h1 0 "org.ctckpt.name=$name"
	[[ ! -e /run/ctckpt/$name.json ]]
	assert_equal "$(container_pid "$name")" ""
}

@test "hooks: a process that is gone, and one of others, are not registered" {
	run -0 hook createRuntime h1 0 org.ctckpt.name=web
	assert_contains "$output" "its state names no process"
	run -0 hook createRuntime h1 1 org.ctckpt.name=web
	assert_contains "$output" "its state names no process"
	run -0 hook createRuntime h1 2147483646 org.ctckpt.name=web
	assert_contains "$output" "process 2147483646"
	assert_equal "$(container_pid web)" ""
}

@test "hooks: on-start makes an image, which can be restored" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start "org.ctckpt.images=$IMAGES"
	assert_equal "$output" ""
	"$AWAIT" -t 100 "$IMAGES/web@h1.000001.ckpt"
	assert_equal "$(stat -c %a "$IMAGES" "$IMAGES/web@h1.000001.ckpt" | xargs)" "700 600"
	run -0 ctckpt restore --detach --name "again-$VICTIM" "$IMAGES/web@h1.000001.ckpt"
	[[ -e /proc/$PID ]]
}

@test "hooks: every:1s makes images, of which the last are kept" {
	mkdir -m 0700 "$IMAGES"
	echo mine >"$IMAGES/web@h1.000001.ckpt"
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1s org.ctckpt.keep=2 \
		"org.ctckpt.images=$IMAGES"
	"$AWAIT" -t 100 "$IMAGES/web@h1.000005.ckpt"
	run -0 hook poststop h1 0 org.ctckpt.name=web
	# What is not an image of ours keeps its place.
	assert_equal "$(cat "$IMAGES/web@h1.000001.ckpt")" mine
	[[ ! -e $IMAGES/web@h1.000002.ckpt && -e $IMAGES/web@h1.000005.ckpt ]]
}

@test "hooks: on-signal makes an image when it is asked for one" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-signal "org.ctckpt.images=$IMAGES"
	"$AWAIT" -t 100 "$IMAGES/web@h1.pid"
	assert_equal "$(cat "$IMAGES/web@h1.pid")" "$(timer_pid)"
	kill -USR1 "$(cat "$IMAGES/web@h1.pid")"
	"$AWAIT" -t 100 "$IMAGES/web@h1.000001.ckpt"
	assert_equal "$(images_of "$IMAGES")" web@h1.000001.ckpt
}

@test "hooks: the timer ends with the container, and with poststop" {
	local timer
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1h "org.ctckpt.images=$IMAGES"
	timer=$(timer_pid)
	[[ -n $timer && -e /proc/$timer ]]
	# A second one is not armed beside it.
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1h "org.ctckpt.images=$IMAGES"
	assert_equal "$(timer_pid)" "$timer"
	run -0 hook poststop h1 0 org.ctckpt.name=web
	"$AWAIT" -t 100 -p "$timer"
	[[ ! -e $IMAGES/web@h1.pid ]]

	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1h "org.ctckpt.images=$IMAGES"
	timer=$(timer_pid)
	kill_tasks "$PID"
	"$AWAIT" -t 100 -p "$timer"
}

@test "hooks: a checkpoint that fails is said in the log, and the timer goes on" {
	mkdir -m 0700 "$IMAGES"
	: >"$IMAGES/web@h1.999999999.ckpt"
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1s "org.ctckpt.images=$IMAGES"
	"$AWAIT" -t 100 "$IMAGES/web@h1.log"
	assert_contains "$(cat "$IMAGES/web@h1.log")" "checkpoint: image 999999999 is the last there can be"
	rm "$IMAGES/web@h1.999999999.ckpt"
	"$AWAIT" -t 100 "$IMAGES/web@h1.000001.ckpt"
}

@test "hooks: images go only where the invoker alone may write, and where no link leads" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	mkdir -m 0777 "$IMAGES" && chmod 0777 "$IMAGES"
	ln -s "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/link"
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start "org.ctckpt.images=$IMAGES"
	assert_contains "$output" "$IMAGES can be written by others (mode 0777)"
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start \
		"org.ctckpt.images=$BATS_TEST_TMPDIR/link/x"
	assert_contains "$output" "open $BATS_TEST_TMPDIR/link/x: Too many levels of symbolic links"
	if ((EUID != 0)); then
		run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start org.ctckpt.images=/etc
		assert_contains "$output" "/etc belongs to another user"
	fi
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start \
		"org.ctckpt.images=$BATS_TEST_TMPDIR/none/none"
	assert_contains "$output" "create $BATS_TEST_TMPDIR/none/none: No such file or directory"
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start
	assert_contains "$output" "org.ctckpt.auto needs org.ctckpt.images"
	assert_equal "$(timer_pid)" ""
}

@test "hooks: annotations name only what is below the directory of the hook file" {
	mkdir -m 0700 "$IMAGES"
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	state_json h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start "org.ctckpt.images=$IMAGES/../out" \
		>"$BATS_TEST_TMPDIR/state"
	run -0 ctckpt oci-hook --below "$IMAGES" poststart <"$BATS_TEST_TMPDIR/state"
	assert_contains "$output" "$IMAGES/../out leads out of where it may be"
	state_json h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start org.ctckpt.images=/elsewhere \
		>"$BATS_TEST_TMPDIR/state"
	run -0 ctckpt oci-hook --below "$IMAGES" poststart <"$BATS_TEST_TMPDIR/state"
	assert_contains "$output" "/elsewhere is not below $IMAGES"
	assert_equal "$(timer_pid)" ""
}

@test "hooks: images of a container that had the name before are not touched" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start "org.ctckpt.images=$IMAGES"
	"$AWAIT" -t 100 "$IMAGES/web@h1.000001.ckpt"
	run -0 hook poststop h1 0 org.ctckpt.name=web
	run -0 hook createRuntime h2 "$PID" org.ctckpt.name=web
	run -0 hook poststart h2 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start+on-signal org.ctckpt.keep=1 \
		"org.ctckpt.images=$IMAGES"
	"$AWAIT" -t 100 "$IMAGES/web@h2.000001.ckpt"
	kill -USR1 "$(cat "$IMAGES/web@h2.pid")"
	"$AWAIT" -t 100 "$IMAGES/web@h2.000002.ckpt"
	run -0 hook poststop h2 0 org.ctckpt.name=web
	[[ -e $IMAGES/web@h1.000001.ckpt ]]
}

@test "hooks: images of containers that had the name before go where the hook file says so" {
	local id timer
	mkdir -m 0700 "$IMAGES"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGES/web@old.000007.ckpt"
	for id in h1.000001 h0.x.000002 h9.000001; do
		cp "$IMAGES/web@old.000007.ckpt" "$IMAGES/web@$id.ckpt"
	done
	cp "$IMAGES/web@old.000007.ckpt" "$IMAGES/other@h1.000001.ckpt"
	cp "$IMAGES/web@old.000007.ckpt" "$IMAGES/web@h1.1.ckpt"
	echo mine >"$IMAGES/web@h1.000009.ckpt"
	touch -d 2001-01-01 "$IMAGES/web@h9.000001.ckpt" "$IMAGES/web@h1.000009.ckpt"
	touch -d 2001-01-02 "$IMAGES/web@h0.x.000002.ckpt"
	touch -d 2001-01-03 "$IMAGES/web@old.000007.ckpt"
	run -0 hook createRuntime h2 "$PID" org.ctckpt.name=web
	state_json h2 "$PID" org.ctckpt.name=web org.ctckpt.auto=on-start+on-signal org.ctckpt.keep=3 \
		"org.ctckpt.images=$IMAGES" >"$BATS_TEST_TMPDIR/state"
	run -0 ctckpt oci-hook --by-name --below / poststart <"$BATS_TEST_TMPDIR/state"
	"$AWAIT" -t 100 "$IMAGES/web@h2.000001.ckpt"
	timer=$(cat "$IMAGES/web@h2.pid")
	kill -USR1 "$timer"
	"$AWAIT" -t 100 "$IMAGES/web@h2.000002.ckpt"
	run -0 hook poststop h2 0 org.ctckpt.name=web
	"$AWAIT" -t 100 -p "$timer"
	assert_equal "$(cd "$IMAGES" && echo *.ckpt)" \
		"other@h1.000001.ckpt web@h1.000001.ckpt web@h1.000009.ckpt web@h1.1.ckpt web@h2.000001.ckpt web@h2.000002.ckpt"
}

@test "hooks: checkpoints are not more frequent, nor more images kept, than the hook file allows" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	state_json h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:9s org.ctckpt.keep=101 \
		"org.ctckpt.images=$IMAGES" >"$BATS_TEST_TMPDIR/state"
	run -0 ctckpt oci-hook --below / --least 10 poststart <"$BATS_TEST_TMPDIR/state"
	assert_contains "$output" "org.ctckpt.auto: every 9 s is more often than each 10 s"
	run -0 ctckpt oci-hook --below / --least 9 --most 100 poststart <"$BATS_TEST_TMPDIR/state"
	assert_contains "$output" "org.ctckpt.keep: 101 are more than 100 images"
	if ((EUID == 0)); then
		run -0 ctckpt oci-hook --below / poststart <"$BATS_TEST_TMPDIR/state"
		assert_contains "$output" "every 9 s is more often than each 10 s"
		run -0 ctckpt oci-hook --below / --least 9 poststart <"$BATS_TEST_TMPDIR/state"
		assert_contains "$output" "101 are more than 100 images"
	fi
	assert_equal "$(timer_pid)" ""
	run -0 ctckpt oci-hook --below / --least 9 --most 101 poststart <"$BATS_TEST_TMPDIR/state"
	assert_equal "$output" ""
	[[ -n $(timer_pid) ]]
}

@test "hooks: a process that has the number of a timer which ended is none" {
	run -0 hook createRuntime h1 "$PID" org.ctckpt.name=web
	python3 - "$XDG_RUNTIME_DIR/ctckpt/web.json" "$PID" <<'PYTHON'
import json, sys
path, pid = sys.argv[1:]
entry = json.load(open(path))
entry.update(timer=int(pid), timer_start_time=1)
json.dump(entry, open(path, "w"))
PYTHON
	run -0 hook poststart h1 "$PID" org.ctckpt.name=web org.ctckpt.auto=every:1h "org.ctckpt.images=$IMAGES"
	assert_equal "$output" ""
	[[ $(timer_pid) != "$PID" ]]
}

@test "hooks: as root, an image is restored only where the hook file says below what" {
	local config='{"ociVersion": "1.0.2", "root": {"path": "/r"}, "process": {"args": ["x"], "cwd": "/"},
		"linux": {}, "annotations": {"org.ctckpt.restore": "/var/lib/ctckpt/i.ckpt"}}'
	run -0 --separate-stderr ctckpt oci-hook precreate <<<"$config"
	if ((EUID == 0)); then
		assert_equal "$output" "$config"
		assert_contains "$stderr" "org.ctckpt.restore is not allowed in containers of root's"
	else
		assert_contains "$output" '"org.ctckpt.restore.user"'
	fi
	run -0 --separate-stderr ctckpt oci-hook --below /var/lib/ctckpt precreate <<<"$config"
	assert_contains "$output" '"org.ctckpt.restore.user"'
}
