#!/usr/bin/env bats
# Containers with a terminal of their own: ctckpt run --tty and what restore does with them.

load helper

SHELL_COMMAND=(bash --norc --noprofile -i)

setup() {
	test_setup
	requires cmd-python3
	export PS1='$ ' CTCKPT VICTIM IMAGE
	bind_off="bind 'set enable-bracketed-paste off'"
	# What is typed does not look like what is then printed.
	begin='sh -c "echo beg\"\"un; exec sleep 1000"\r'
}

# on_terminal STEP... -- COMMAND...
on_terminal() {
	timeout 170 "$BATS_TEST_DIRNAME/../tools/onterminal.py" "$@"
}

on_socket() {
	timeout 170 "$BATS_TEST_DIRNAME/../tools/consolesocket.py" "$BATS_TEST_TMPDIR/socket" "$@"
}

# A shell with a job in the foreground, saved.
shell_saved() {
	run -137 on_terminal size:30,90 'expect:$ ' "send:$bind_off; X=seven\r" 'expect:$ ' \
		"send:$begin" 'expect:begun' 'run:"$CTCKPT" checkpoint "$VICTIM" -o "$IMAGE" >/dev/null' \
		-- "$CTCKPT" run --tty --name "$VICTIM" -- "${SHELL_COMMAND[@]}"
}

@test "console: a command has a terminal of the user's size, and its status is passed through" {
	run -7 on_terminal size:33,101 -- "$CTCKPT" run -t -- sh -c 'tty; stty size; exit 7'
	assert_contains "$output" "/dev/pts/0"
	assert_contains "$output" "33 101"
}

@test "console: job control, signals by key, and a new size" {
	run -3 on_terminal size:33,101 'expect:$ ' "send:$bind_off\r" 'expect:$ ' \
		'send:trap "echo resized" WINCH\r' 'expect:$ ' "send:$begin" 'expect:begun' \
		'send:\x03' 'expect:$ ' "send:$begin" 'expect:begun' 'send:\x1a' 'expect:Stopped' 'size:20,60' \
		'expect:resized' 'send:stty size; disown %1; exit 3\r' 'expect:20 60' \
		-- "$CTCKPT" run -t -- "${SHELL_COMMAND[@]}"
}

@test "console: a restore on another terminal" {
	shell_saved
	run -4 on_terminal size:40,100 'raw:' 'send:\x03' 'expect:$ ' \
		'send:echo $X; stty size; tty; exit 4\r' 'expect:seven' 'expect:40 100' 'expect:/dev/pts/0' \
		-- "$CTCKPT" restore "$IMAGE"
}

@test "console: a restore without a terminal is refused" {
	shell_saved
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "the container has a terminal of its own"
	assert_contains "$stderr" "hint: restore it in the foreground"
	run -3 --separate-stderr ctckpt restore "$IMAGE" </dev/null
	assert_contains "$stderr" "the container has a terminal of its own"
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$output" "/dev/pts/0"
}

@test "console: run and restore with --console-socket" {
	run -0 on_socket 'expect:$ ' "send:$bind_off; X=seven\r" 'expect:$ ' \
		'run:"$CTCKPT" checkpoint "$VICTIM" -o "$IMAGE" >/dev/null' \
		-- "$CTCKPT" run --tty --name "$VICTIM" --console-socket "$BATS_TEST_TMPDIR/socket" \
		-- "${SHELL_COMMAND[@]}"
	assert_equal "${lines[0]}" "$VICTIM"
	assert_equal "${lines[1]}" "/dev/pts/0"
	run -0 on_socket 'send:echo $X; exit\r' 'expect:seven' \
		-- "$CTCKPT" restore --console-socket "$BATS_TEST_TMPDIR/socket" "$IMAGE"
	assert_equal "${lines[1]}" "/dev/pts/0"
}

@test "console: a checkpoint that goes on leaves the terminal alone" {
	run -6 on_terminal size:30,90 'expect:$ ' "send:$bind_off\r" 'expect:$ ' \
		'send:cat\r' 'run:"$CTCKPT" checkpoint --leave-running "$VICTIM" -o "$IMAGE" >/dev/null' \
		'send:hello\r' 'expect:hello' 'expect:hello' 'send:\x04' 'expect:$ ' 'send:exit 6\r' \
		-- "$CTCKPT" run --tty --name "$VICTIM" -- "${SHELL_COMMAND[@]}"
}

@test "console: when the user's terminal goes away, so does the container's" {
	run on_terminal 'expect:$ ' 'hangup:' -- "$CTCKPT" run --tty -- "${SHELL_COMMAND[@]}"
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "console: what cannot be is said" {
	run -2 --separate-stderr ctckpt run --tty true </dev/null
	assert_contains "$stderr" "--tty: standard input is not a terminal"
	run -2 --separate-stderr ctckpt run --tty --detach true
	assert_contains "$stderr" "--tty in the background needs --console-socket"
	run -2 --separate-stderr ctckpt run --console-socket x true
	assert_contains "$stderr" "--console-socket goes with --tty only"
	run -1 --separate-stderr ctckpt run --tty --console-socket "$BATS_TEST_TMPDIR/none" true
	assert_contains "$stderr" "connect to $BATS_TEST_TMPDIR/none: No such file or directory"
	victim_start eventfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -2 --separate-stderr ctckpt restore --console-socket x "$IMAGE"
	assert_contains "$stderr" "--console-socket: the container has no terminal of its own"
}
