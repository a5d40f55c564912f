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
	for i in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
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
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

# bats test_tags=cgroup
@test "sock_tcp_connection: clients and server under load notice nothing of checkpoints" {
	requires cmd-python3
	program_start echo.py
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint --force --leave-running "$VICTIM" -o "$IMAGE"
	done
	victim_succeeds
}
