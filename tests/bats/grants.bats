#!/usr/bin/env bats
load helper

# The victim has a file that nobody finds any more, and somebody has it open.
file_is_saved() {
	mkdir "$VICTIM_DIR/vault"
	echo -n 0123456789 >"$VICTIM_DIR/vault/log"
	echo -n some >"$VICTIM_DIR/vault/own"
	victim_start grants file
	CHILD=$(<"$VICTIM_DIR/child")
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	mv "$VICTIM_DIR/vault" "$VICTIM_DIR/elsewhere"
}

lend() {
	local kind=$1
	shift
	timeout --foreground 120 python3 "$BATS_TEST_DIRNAME/../tools/lend.py" "$kind" "$CTCKPT" "$@"
}

@test "grants: files that are not found any more are given, to all tasks that had them" {
	file_is_saved
	run -3 --separate-stderr ctckpt plan "$IMAGE"
	assert_contains "$output" "or give it: --grant 1:fd50=FD"
	assert_contains "$output" "or give it: --grant $CHILD:fd52=FD"

	local given=(--grant fd50=8 --grant "$CHILD:fd52=9")
	run -0 ctckpt plan "${given[@]}" "$IMAGE" \
		8<>"$VICTIM_DIR/elsewhere/log" 9>>"$VICTIM_DIR/elsewhere/own"
	assert_contains "$output" "saved file $VICTIM_DIR/vault/log, read and write"
	assert_contains "$output" "invoker descriptor 8: file $VICTIM_DIR/elsewhere/log, read and write"
	assert_contains "$output" "-> substitute  rule strict/grants"

	run -0 ctckpt restore --detach "${given[@]}" "$IMAGE" \
		8<>"$VICTIM_DIR/elsewhere/log" 9>"$VICTIM_DIR/elsewhere/own"
	victim_succeeds
	assert_equal "$(<"$VICTIM_DIR/elsewhere/own")" more
}

@test "grants: what does not fit is refused with both named" {
	file_is_saved
	local log=$VICTIM_DIR/elsewhere/log
	local own=$VICTIM_DIR/elsewhere/own

	run -3 --separate-stderr ctckpt restore --detach --grant fd51=8 --grant "$CHILD:fd52=9" "$IMAGE" \
		8<"$log" 9>>"$own"
	assert_contains "$stderr" "1:fd50: what is given was opened for less (file $VICTIM_DIR/vault/log, read and write: descriptor 8: file $log, read)"

	run -3 --separate-stderr ctckpt plan --grant fd51=8 --grant "$CHILD:fd52=9" "$IMAGE" \
		8< <(:) 9>/dev/null
	assert_contains "$output" "invoker descriptor 8: pipe, read"
	assert_contains "$output" "invoker descriptor 9: device 1:3 /dev/null, write"
	assert_contains "$output" "-> REFUSE  rule strict/grants (what is given is something else)"

	: >"$log"
	run -3 --separate-stderr ctckpt plan --grant fd51=8 --grant "$CHILD:fd52=9" "$IMAGE" \
		8<>"$log" 9>>"$own"
	assert_contains "$output" "(what is given ends before the saved position)"
}

@test "grants: in JSON, with type and numbers" {
	requires cmd-python3
	file_is_saved
	ctckpt plan --json --grant fd50=8 "$IMAGE" 8<>"$VICTIM_DIR/elsewhere/log" >"$VICTIM_DIR/json" || [[ $? == 3 ]]
	run -0 python3 - "$VICTIM_DIR/json" <<-'END'
		import json, sys
		plan = json.load(open(sys.argv[1]))
		for d in plan["decisions"]:
		    if d["class"] == "grant":
		        print(d["subject"], d["outcome"], d["rule"], d["invoker_text"].split()[:2])
	END
	assert_equal "$output" "1:fd50 substitute strict/grants ['descriptor', '8:']"
}

@test "grants: one that means nothing is an error before anything is done" {
	file_is_saved
	local wrong expected
	while IFS='|' read -r wrong expected; do
		run -2 --separate-stderr ctckpt plan --grant "$wrong" "$IMAGE" 8<>"$VICTIM_DIR/elsewhere/log"
		assert_contains "$stderr" "--grant $wrong: $expected"
	done <<-'END'
		fd50|not of the form [PID:]fdN=FD
		50=8|not of the form [PID:]fdN=FD
		1:fd50=x|not of the form [PID:]fdN=FD
		1fd50=8|not of the form [PID:]fdN=FD
		fd50=200|descriptor 200 is not open
		fd99=8|task 1 has no descriptor 99
		7777:fd50=8|the image has no task 7777
	END
	# What becomes ours is never taken for the invoker's.
	run -2 --separate-stderr ctckpt plan --grant fd50=8 --grant fd0=10 "$IMAGE" \
		8<>"$VICTIM_DIR/elsewhere/log" 3>&- 4>&- 10>&-
	assert_contains "$stderr" "--grant fd0=10: descriptor 10 is not open"
	run -2 --separate-stderr ctckpt restore --grant fd50=8 --grant fd51=9 "$IMAGE" \
		8<>"$VICTIM_DIR/elsewhere/log" 9<>"$VICTIM_DIR/elsewhere/log"
	assert_contains "$stderr" "--grant fd51=9: that is the same as fd50=8"
	run -2 --separate-stderr ctckpt plan --grant fd50=8 --grant "$CHILD:fd52=9" "$IMAGE" \
		8<>"$VICTIM_DIR/elsewhere/log" 9<&8
	assert_contains "$stderr" "the same open file is given by fd50=8: open it twice"
}

@test "grants: a connection with a process outside is given anew" {
	requires cmd-python3
	local peer
	export VICTIM_SOCKET=$BATS_TEST_TMPDIR/socket
	timeout 120 python3 - "$VICTIM_SOCKET" 3>&- <<-'END' &
		import socket, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(sys.argv[1])
		listener.listen()
		connection = listener.accept()[0]
		connection.sendall(b"news")
		try:
		    connection.recv(1)
		except ConnectionResetError:
		    pass
	END
	peer=$!
	until [[ -S $VICTIM_SOCKET ]]; do :; done
	victim_start grants unix unread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	wait "$peer"
	run -3 --separate-stderr ctckpt plan "$IMAGE"
	[[ $output =~ "saved process "[0-9]+" (python3)" ]] || fail "$output"
	assert_contains "$output" "or give it: --grant 1:fd50=FD"
	run -0 --separate-stderr lend unix restore --detach --grant fd50=9 "$IMAGE" 3>&-
	assert_equal "$stderr" ""
	victim_succeeds
	"$AWAIT" "$VICTIM_DIR/answered"
	run -0 lend unix plan --grant fd50=9 "$IMAGE" 3>&-
	assert_contains "$output" "invoker descriptor 9: unix stream socket"
	assert_contains "$output" "(what was not read of it is lost)"
	run -3 lend raw plan --grant fd50=9 "$IMAGE"
	assert_contains "$output" "invoker descriptor 9: IPv4 raw socket, protocol 1"
	run -3 lend alone plan --grant fd50=9 "$IMAGE"
	assert_contains "$output" "(what is given is not connected)"
	run -3 lend eventfd plan --grant fd50=9 "$IMAGE"
	assert_contains "$output" "invoker descriptor 9: eventfd"
}

@test "grants: a raw socket of another network" {
	requires cmd-python3
	victim_start grants raw
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 lend raw restore --detach --grant fd50=9 "$IMAGE"
	victim_succeeds
}

@test "grants: a counter that others have, too" {
	requires cmd-python3
	victim_start grants eventfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 lend eventfd restore --detach --grant fd50=9 "$IMAGE"
	victim_succeeds
}

@test "grants: standard output in the background" {
	victim_start grants stdio
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run ctckpt inspect --files "$IMAGE"
	run -0 ctckpt restore --detach --grant fd1=9 "$IMAGE" 9>"$VICTIM_DIR/said"
	victim_succeeds
	assert_equal "$(<"$VICTIM_DIR/said")" said
}

@test "grants: a connection with a process outside is made anew by a rule of the policy" {
	requires cmd-python3
	local peer policy=$BATS_TEST_TMPDIR/policy.json
	export VICTIM_SOCKET=$BATS_TEST_TMPDIR/socket
	timeout 120 python3 - "$VICTIM_SOCKET" 3>&- <<-'END' &
		import socket, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(sys.argv[1])
		listener.listen()
		first = listener.accept()[0]
		first.sendall(b"old news")
		second = listener.accept()[0]
		if second.recv(5) == b"hello":
		    second.sendall(b"world")
	END
	peer=$!
	until [[ -S $VICTIM_SOCKET ]]; do :; done
	victim_start grants unix unread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	echo '{"ctckpt_policy": 1, "sockets": {"action": "reopen"}}' >"$policy"
	run -0 --separate-stderr ctckpt plan --policy "$policy" "$IMAGE"
	assert_contains "$output" "unix socket to $VICTIM_SOCKET"
	assert_contains "$output" "-> reopen"
	assert_contains "$output" "(a new connection, without what was not read of the old one)"
	run -0 ctckpt restore --detach --policy "$policy" "$IMAGE"
	victim_succeeds
	wait "$peer"
	run -3 --separate-stderr ctckpt restore --detach --policy "$policy" "$IMAGE"
	assert_contains "$stderr" "unix socket to $VICTIM_SOCKET: its other end is outside of the container"
}
