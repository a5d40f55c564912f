#!/usr/bin/env bats
load helper

@test "sock_tcp_connection: connections within the container survive, with their queues" {
	victim_start sock_tcp_connection
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_tcp_connection: the container that goes on is as it was" {
	victim_start sock_tcp_connection
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sock_tcp_connection: what was restored can be saved again" {
	victim_start sock_tcp_connection
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "sock_tcp_connection: those that are being made go on with it" {
	victim_start connecting
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_tcp_connection: a connect(2) that only has to return does so" {
	local pid i
	victim_start connecting accepted
	pid=$(container_pid "$VICTIM")
	run -0 ctckpt freeze "$VICTIM"
	# The kernel makes the connection, while nobody runs.
	for ((i = 0; i < 600; i++)); do
		awk '$4 == "02" { found = 1 } END { exit !found }' "/proc/$pid/net/tcp" || break
		read -rt 0.1 <> <(:) || true
	done
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_tcp_connection: urgent data is refused" {
	victim_start sock_tcp_connection urgent
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "a TCP connection with urgent data is not supported"
}

@test "sock_tcp_connection: data that waits for accept is refused" {
	victim_start sock_tcp_connection unaccepted
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "a connection with data that its server did not yet accept"
}

@test "sock_tcp_connection: a closed end with data to send is refused" {
	victim_start sock_tcp_connection closing
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "a connection whose other end is closed, but has still "
}

# bats test_tags=cgroup
@test "sock_tcp_connection: clients and server under load notice nothing of ten generations" {
	requires cmd-python3
	program_start echo.py
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

# bats test_tags=cgroup
@test "sock_tcp_connection: clients and server under load notice nothing of checkpoints" {
	requires cmd-python3
	program_start echo.py
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint --force --leave-running "$VICTIM" -o "$IMAGE"
	done
	victim_succeeds
}

# A tree of tasks that is connected to somebody outside, who sends it some news. Its pid is $tree.
outside_start() {
	python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + ".draft", "w").write(str(listener.getsockname()[1]))
import os
os.rename(sys.argv[1] + ".draft", sys.argv[1])
peer, _ = listener.accept()
peer.sendall(b"news")
peer.recv(1)
' "$BATS_TEST_TMPDIR/port" </dev/null >/dev/null 2>&1 3>&- &
	server=$!
	"$AWAIT" -p "$server" "$BATS_TEST_TMPDIR/port"
	bash -c 'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
		exec "$@"' - "$BUILD/victim/sock_tcp_connection" outside "$(<"$BATS_TEST_TMPDIR/port")" \
		</dev/null >/dev/null 2>&1 &
	tree=$!
	"$AWAIT" -p "$tree" "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
}

@test "sock_tcp_connection: one that leads out of the container is refused" {
	requires cmd-python3
	local server tree
	outside_start
	run -3 --separate-stderr ctckpt checkpoint "pid:$tree" -o "$IMAGE"
	assert_contains "$stderr" "a TCP connection with 127.0.0.1 port $(<"$BATS_TEST_TMPDIR/port"), outside of the container"
	assert_contains "$stderr" "hint: end it, or use --tcp-established or --tcp-close"
	kill_tasks "$tree"
	wait "$server" || true
}

@test "sock_tcp_connection: with --tcp-close, it is closed, and what came can be read" {
	requires cmd-python3
	local server tree
	outside_start
	run -0 ctckpt checkpoint --tcp-close "pid:$tree" -o "$IMAGE"
	wait "$server" || true
	run -0 --separate-stderr ctckpt restore --detach --name "$VICTIM" "$IMAGE"
	assert_contains "$stderr" "the TCP connection with 127.0.0.1 port $(<"$BATS_TEST_TMPDIR/port"), outside of the container, is closed"
	victim_succeeds
}

@test "sock_tcp_connection: one within the network of others can't be kept" {
	requires cmd-python3
	local server tree
	outside_start
	run -3 --separate-stderr ctckpt checkpoint --tcp-established "pid:$tree" -o "$IMAGE"
	assert_contains "$stderr" "outside of the container, but within its network, can't be kept"
	assert_contains "$stderr" "hint: use --tcp-close"
	kill_tasks "$tree"
	wait "$server" || true
}
