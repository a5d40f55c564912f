#!/usr/bin/env bats
# Connections that lead out of a container. An ordinary user has two networks that a cable joins, in
# a user namespace of his own: a tree of tasks in one of them, its peer in the other. What is
# restored has a network of its own, which gets the cable while it is frozen.
load helper

PATH=$PATH:/usr/sbin:/sbin
PORT=4000

setup() {
	test_setup
	WORLD='' PEER='' TREE=''
	PEER_DIR=$BATS_TEST_TMPDIR/peer
	mkdir "$PEER_DIR"
}

teardown() {
	# shellcheck disable=SC2086 # pids, or nothing
	kill_tasks $TREE $PEER $WORLD
	test_teardown
}

# in_net PID COMMAND...: in the network of this task, and in our user namespace of it.
in_net() {
	local pid=$1
	shift
	nsenter --preserve-credentials --target "$pid" --user --net -- "$@"
}

# in_world COMMAND...: what the user does.
in_world() {
	timeout 120 nsenter --preserve-credentials --target "$WORLD" --user --net -- "$@"
}

# outside WHAT ADDRESS PEER-ADDRESS BITS: a tree and its peer, which are connected.
outside() {
	requires cmd-ip cmd-nsenter
	LOCAL=$2/$4 REMOTE=$3
	unshare -Urn sh -c 'ip link set lo up; : >"$1"; exec sleep 600' - \
		"$BATS_TEST_TMPDIR/world" </dev/null >/dev/null 2>&1 3>&- &
	WORLD=$!
	"$AWAIT" -p "$WORLD" "$BATS_TEST_TMPDIR/world"
	mkfifo "$PEER_DIR/plugged"
	# The peer waits until its end of the cable has its address.
	VICTIM_DIR=$PEER_DIR nsenter --preserve-credentials --target "$WORLD" --user --net -- \
		unshare -n sh -c ': >"$VICTIM_DIR/net"; read -r _ <"$VICTIM_DIR/plugged"; exec "$@"' - \
		"$BUILD/victim/outward" peer "$3" "$PORT" "$1" \
		< <(:) >"$PEER_DIR/log" 2>&1 3>&- &
	PEER=$!
	"$AWAIT" -p "$PEER" "$PEER_DIR/net"
	in_world ip link add cable type veth peer name cable netns "$PEER"
	in_net "$PEER" sh -c 'ip link set lo up; ip addr add "$1" dev cable $([ "${1#*:}" = "$1" ] || echo nodad); ip link set cable up' \
		- "$3/$4"
	plug "$WORLD"
	echo >"$PEER_DIR/plugged"
	"$AWAIT" -p "$PEER" "$PEER_DIR/listening"
	[[ $1 != connecting ]] || in_net "$PEER" ip link set cable down
	# shellcheck disable=SC2016 # for the other shell
	nsenter --preserve-credentials --target "$WORLD" --user --net -- \
		bash -c 'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
			exec "$@"' - "$BUILD/victim/outward" "$REMOTE" "$PORT" "$1" \
		</dev/null >/dev/null 2>"$VICTIM_DIR/log" 3>&- &
	TREE=$!
	"$AWAIT" -p "$TREE" "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
	[[ $1 == connecting ]] || "$AWAIT" -p "$PEER" "$PEER_DIR/ready" "$PEER_DIR/result"
}

# plug PID: the cable has its end, and the address, in the network of this task.
plug() {
	in_net "$1" sh -c 'ip addr add "$1" dev cable $([ "${1#*:}" = "$1" ] || echo nodad); ip link set cable up' - "$LOCAL"
}

# Our end of the cable goes into the network of the restored container, which then runs.
replug() {
	local pid
	pid=$(container_pid "$VICTIM")
	in_world ip link set cable netns "$pid"
	plug "$pid"
	run -0 in_world "$CTCKPT" thaw "$VICTIM"
}

# Back again: for that, one must be more than the container is.
unplug() {
	timeout 100 nsenter --preserve-credentials --user="/proc/$WORLD/ns/user" \
		--net="/proc/$(container_pid "$VICTIM")/ns/net" -- ip link set cable netns "$WORLD"
}

both_succeed() {
	: >"$PEER_DIR/go"
	: >"$VICTIM_DIR/go"
	victim_succeeded
	VICTIM_DIR=$PEER_DIR victim_succeeded
}

save_and_restore() {
	run -0 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	run -0 --separate-stderr in_world "$CTCKPT" restore --detach --leave-frozen \
		--tcp-established --name "$VICTIM" "$IMAGE"
	assert_equal "$stderr" ""
	replug
	both_succeed
}

@test "sock_tcp_connection: one that leads outside is kept, under load" {
	outside talk 10.7.0.1 10.7.0.2 24
	save_and_restore
}

@test "sock_tcp_connection: one that leads outside is kept, under load, of IPv6" {
	outside talk fd07::1 fd07::2 64
	save_and_restore
}

@test "sock_tcp_connection: full queues and ended streams of those that lead outside" {
	outside states 10.7.0.1 10.7.0.2 24
	save_and_restore
}

@test "sock_tcp_connection: full queues and ended streams of those that lead outside, of IPv6" {
	outside states fd07::1 fd07::2 64
	save_and_restore
}

@test "sock_tcp_connection: the other end outside notices nothing of five generations" {
	outside talk 10.7.0.1 10.7.0.2 24
	local name=pid:$TREE
	for _ in 1 2 3 4 5; do
		run -0 in_world "$CTCKPT" checkpoint --tcp-established --force "$name" -o "$IMAGE"
		run -0 in_world "$CTCKPT" restore --detach --leave-frozen --tcp-established \
			--name "$VICTIM" "$IMAGE"
		replug
		name=$VICTIM
		# Interfaces that lead outside are not saved.
		unplug
	done
	in_world ip link set cable netns "$(container_pid "$VICTIM")"
	plug "$(container_pid "$VICTIM")"
	both_succeed
}

@test "sock_tcp_connection: the other end outside notices nothing of checkpoints but a delay" {
	outside talk 10.7.0.1 10.7.0.2 24
	for _ in 1 2 3 4 5; do
		run -0 in_world "$CTCKPT" checkpoint --tcp-established --leave-running --force \
			"pid:$TREE" -o "$IMAGE"
	done
	both_succeed
}

@test "sock_tcp_connection: a checkpoint that fails lets connections outside go on" {
	outside talk 10.7.0.1 10.7.0.2 24
	run -1 in_world sh -c 'ulimit -f 8; exec "$@"' - "$CTCKPT" checkpoint --tcp-established \
		"pid:$TREE" -o "$IMAGE"
	both_succeed
}

@test "sock_tcp_connection: states of those that lead outside are as they were, if they go on" {
	outside states 10.7.0.1 10.7.0.2 24
	run -0 in_world "$CTCKPT" checkpoint --tcp-established --leave-running "pid:$TREE" -o "$IMAGE"
	both_succeed
}

@test "sock_tcp_connection: one that leads outside needs --tcp-established twice" {
	outside talk 10.7.0.1 10.7.0.2 24
	run -3 in_world "$CTCKPT" checkpoint "pid:$TREE" -o "$IMAGE"
	assert_contains "$output" "a TCP connection with 10.7.0.2 port $PORT, outside of the container"
	assert_contains "$output" "hint: end it, or use --tcp-established or --tcp-close"
	run -0 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	run -3 in_world "$CTCKPT" restore --detach "$IMAGE"
	assert_contains "$output" "it leads out of the container"
	run -3 in_world "$CTCKPT" restore --detach --tcp-established "$IMAGE"
	assert_contains "$output" "the container's network does not have its address"
	assert_contains "$output" "hint: use --leave-frozen, and give it the address before thaw"
	run -3 in_world "$CTCKPT" plan --tcp-established "$IMAGE"
	assert_contains "$output" "TCP connection with 10.7.0.2 port $PORT"
	run -0 in_world "$CTCKPT" plan --tcp-established --leave-frozen "$IMAGE"
	assert_contains "$output" "strict/net.tcp"
}

@test "sock_tcp_connection: with --policy map, one that leads outside can be closed later" {
	outside states 10.7.0.1 10.7.0.2 24
	run -0 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	run -0 --separate-stderr in_world "$CTCKPT" restore --detach --leave-frozen --policy map \
		--name "$VICTIM" "$IMAGE"
	assert_contains "$stderr" "the TCP connection with 10.7.0.2 port $PORT, outside of the container, is closed"
}

@test "sock_tcp_connection: one that is being made, outside of the container, is refused" {
	outside connecting 10.7.0.1 10.7.0.2 24
	run -3 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	assert_contains "$output" "a TCP connection that is being made with 10.7.0.2 port $PORT"
}

@test "sock_tcp_connection: those of a frozen container are kept only if it stays" {
	outside talk 10.7.0.1 10.7.0.2 24
	run -0 in_world "$CTCKPT" freeze "pid:$TREE"
	run -3 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	assert_contains "$output" "connections that lead outside can't be kept"
	assert_contains "$output" "hint: thaw it first"
	run -0 in_world "$CTCKPT" checkpoint --tcp-established --leave-stopped "pid:$TREE" -o "$IMAGE"
	run -0 in_world "$CTCKPT" thaw "pid:$TREE"
	both_succeed
}

@test "sock_tcp_connection: forged ones that lead outside are rejected" {
	local forge=$BUILD/tests/forge own edit text
	outside states 10.7.0.1 10.7.0.2 24
	run -0 in_world "$CTCKPT" checkpoint --tcp-established "pid:$TREE" -o "$IMAGE"
	own=$((32 + $("$forge" get "$IMAGE" TCPC+20:4) + 8 * $("$forge" get "$IMAGE" TCPC+24:4)))
	while read -r edit text; do
		"$forge" edit "$IMAGE" "$IMAGE.forged" "TCPC+$((own + ${edit%%:*})):${edit#*:}"
		run -4 in_world "$CTCKPT" restore --detach --leave-frozen --tcp-established \
			"$IMAGE.forged"
		assert_contains "$output" "$text"
	done <<-END
		52:4=5 bytes
		56:4=64 unknown bits
		88:4=0x7fffffff more sent than there is
		96:4=0 impossible agreement
		96:4=65536 impossible agreement
		104:4=0xffffffff impossible agreement
	END
}

@test "sock_tcp_connection: --tcp-close contradicts --tcp-established" {
	run -2 ctckpt checkpoint --tcp-close --tcp-established nobody -o "$IMAGE"
	assert_contains "$output" "--tcp-established contradicts an option before it"
}
