#!/usr/bin/env bats
load helper

@test "ns_ipc: limits survive" {
	victim_start ns_ipc
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_ipc: a checkpoint leaves limits alone" {
	victim_start ns_ipc
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

# refuses OBJECT TEXT: in a tree of tasks, whose ipc namespace others may share.
refuses() {
	local pid
	unshare --user --map-root-user --ipc "$BUILD/victim/ns_ipc" "$1" </dev/null >/dev/null 2>&1 &
	pid=$!
	"$AWAIT" -p "$pid" "$VICTIM_DIR/ready"
	run -3 ctckpt checkpoint "pid:$pid" -o "$IMAGE"
	assert_contains "$output" "$2"
	[[ ! -e $IMAGE ]]
	: >"$VICTIM_DIR/go"
	wait "$pid"
}

@test "ns_ipc: shared memory that is not the container's is refused" {
	refuses shm "mapping of /SYSV00000000 (deleted): this shared memory is outside of the container"
}

@test "ns_ipc: semaphores that are not the container's are refused" {
	refuses sem "(ns_ipc) uses System V semaphores 0, which is outside of the container"
}

@test "ns_ipc: message queues that are not the container's are refused" {
	refuses msg "(ns_ipc) uses System V message queue 0, which is outside of the container"
}

@test "ns_ipc: POSIX message queues that are not the container's are refused" {
	refuses mq "message queue /foreign is outside of the container"
}

@test "ns_ipc: owners and creators of objects survive, by ranges of subordinate ids" {
	requires user subuid
	local init
	unshare --user --map-root-user --map-auto --pid --fork --kill-child --mount --net --ipc --uts \
		--cgroup --mount-proc -- bash -c \
		'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
		exec "$1" owners' - "$BUILD/victim/ns_ipc" </dev/null >/dev/null 2>&1 &
	"$AWAIT" -p "$!" "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
	init=$(<"/proc/$!/task/$!/children")
	run -0 ctckpt checkpoint "pid:${init% }" -o "$IMAGE"
	run -3 ctckpt plan "$IMAGE"
	assert_contains "$output" "shared memory 0, uid of the creator"
	run -0 ctckpt restore --detach --policy map --name "$VICTIM" "$IMAGE"
	victim_succeeds
}
