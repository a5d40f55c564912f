#!/usr/bin/env bats
load helper

@test "sock_unix: pairs, listening sockets, connections and names survive" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "sock_unix: a checkpoint that goes on alters nothing" {
	victim_start sock_unix
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.2"
	victim_succeeds
}

@test "sock_unix: a socket that somebody has in use is not taken from him" {
	victim_start sock_unix
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	before=$(stat -c %i "$VICTIM_DIR/there")
	run -3 --separate-stderr ctckpt restore --detach --name second "$IMAGE"
	assert_contains "$stderr" "socket $VICTIM_DIR/there is in use"
	assert_equal "$(stat -c %i "$VICTIM_DIR/there")" "$before"
	victim_succeeds
}

@test "sock_unix: what is no socket is not replaced by one" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rm "$VICTIM_DIR/there"
	echo precious >"$VICTIM_DIR/there"
	run -1 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "$VICTIM_DIR/there is in the way: it is not a socket"
	assert_equal "$(<"$VICTIM_DIR/there")" precious
	assert_equal "$(ls -A "$VICTIM_DIR" | grep -c '^\.ctckpt')" 0
}
