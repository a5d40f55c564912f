#!/usr/bin/env bats
load helper

@test "sock_unix: pairs, listening sockets, connections and names survive" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

survives_generations() {
	local images=("$IMAGE".{1..5}) one
	victim_start "$1"
	for one in "${images[@]}"; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$one"
		run -0 ctckpt restore --detach "$one"
	done
	victim_succeeds
}

@test "sock_unix: five generations" {
	survives_generations sock_unix
}

@test "sock_unix: five generations of what waits" {
	survives_generations unix_queue
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
	assert_contains "$stderr" "$VICTIM_DIR/there: it is a socket that somebody has in use"
	assert_equal "$(stat -c %i "$VICTIM_DIR/there")" "$before"
	victim_succeeds
}

@test "sock_unix: what is no socket is not replaced by one" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rm "$VICTIM_DIR/there"
	echo precious >"$VICTIM_DIR/there"
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "$VICTIM_DIR/there: something else is in its place"
	assert_equal "$(<"$VICTIM_DIR/there")" precious
	assert_equal "$(find "$VICTIM_DIR" -name '.ctckpt*')" ""
}

# There is room for some of the descriptors, but not for all.
@test "sock_unix: a restore that fails leaves no socket behind" {
	victim_start sock_unix
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rm "$VICTIM_DIR/there" "$VICTIM_DIR/relative" "$VICTIM_DIR/below/datagrams"
	local limit
	for limit in 70 80 90 100; do
		run bash -c 'ulimit -n "$1"; "$2" restore --detach "$3"' - "$limit" "$CTCKPT" "$IMAGE"
		((status != 0)) || break
		assert_equal "$(find "$VICTIM_DIR" -type s)" ""
	done
}

@test "sock_unix: without files, one image gives two containers at the same time" {
	victim_start sock_unix nameless
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM" "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-2" "$IMAGE"
	local second
	second=$(container_pid "$VICTIM-2")
	victim_succeeds
	"$AWAIT" -t 100 -p "$second"
}

refuses() {
	victim_start sock_unix "$1"
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "$2"
	victim_succeeds
}

@test "sock_unix: data in a connection that waits to be accepted is refused" {
	refuses unread "connection 2 that waits to be accepted holds data that cannot be read"
}

@test "sock_unix: a closed connection that waits to be accepted is refused" {
	refuses deserted "connection 1 that waits to be accepted was closed by its client"
}

@test "sock_unix: a byte out of band is refused" {
	refuses urgent "what is in a unix socket cannot be read: it was sent out of band"
}

# Somebody outside of the container listens, or receives, under this name.
outsider_starts() {
	mkdir "$VICTIM_DIR/out"
	VICTIM_DIR=$VICTIM_DIR/out "$BUILD/victim/sock_unix" "$1" 3>&- >"$VICTIM_DIR/out/log" 2>&1 &
	outsider=$!
	"$AWAIT" "$VICTIM_DIR/out/ready"
}

outsider_ends() {
	: >"$VICTIM_DIR/out/go"
	wait "$outsider"
	assert_equal "$(<"$VICTIM_DIR/out/result")" "$1"
}

@test "sock_unix: a connection with a process outside is named in the plan, and refused" {
	outsider_starts server
	victim_start sock_unix client
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 --separate-stderr ctckpt plan "$IMAGE"
	assert_contains "$output" "process $outsider (sock_unix)"
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "unix socket to $VICTIM_DIR/out/socket: its other end is outside of the container"
	outsider_ends ok
}

@test "sock_unix: a connection with a process outside is closed by the policy map" {
	requires subuid
	outsider_starts server
	victim_start sock_unix client
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --policy map --detach "$IMAGE"
	victim_succeeds
	outsider_ends ok
}

@test "sock_unix: datagrams to a path outside find it again" {
	outsider_starts receiver
	victim_start sock_unix sender
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
	outsider_ends ok
}

@test "sock_unix: standard output to a socket outside becomes the invoker's own" {
	requires cmd-python3
	run -0 timeout 100 python3 - "$CTCKPT" "$BUILD/victim/idle" "$VICTIM" "$IMAGE" <<-'END'
		import os, socket, subprocess, sys, time
		ctckpt, victim, name, image = sys.argv[1:]
		ours, theirs = socket.socketpair()
		run = subprocess.Popen([ctckpt, "run", "--name", name, "--", victim], stdout=theirs,
		                       stdin=subprocess.DEVNULL)
		ready = os.path.join(os.environ["VICTIM_DIR"], "ready")
		while not os.path.exists(ready):
		    time.sleep(0.01)
		try:
		    subprocess.run([ctckpt, "checkpoint", name, "-o", image], check=True)
		finally:
		    run.terminate()
		    run.wait(timeout=20)
	END
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$output" "descriptor 1"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
