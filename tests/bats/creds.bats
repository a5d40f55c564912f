#!/usr/bin/env bats
load helper

# comes_back WAY [OPTION...]
comes_back() {
	victim_start creds "$1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "${@:2}" "$IMAGE"
	victim_succeeds
}

@test "creds: strict takes all capabilities" {
	comes_back strict
}

@test "creds: map keeps capabilities within the bounding set" {
	comes_back map --policy map
}

@test "creds: a checkpoint leaves them alone" {
	victim_start creds map
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

# The user id of a process as its container sees it.
inner_uid() {
	awk -v uid="$(awk '$1 == "Uid:" { print $2 }' "/proc/$1/status")" \
		'uid >= $2 && uid < $2 + $3 { print $1 + uid - $2 }' "/proc/$1/uid_map"
}

@test "creds: map keeps two user ids, by ranges of subordinate ids" {
	requires user subuid
	local init child
	unshare --user --map-root-user --map-auto --pid --fork --kill-child --mount --net --ipc --uts \
		--cgroup --mount-proc -- bash -c \
		'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
		setpriv --reuid 33 --regid 33 --clear-groups sleep 1000 & echo $! >"$1"; exec sleep 1000' \
		- "$BATS_TEST_TMPDIR/child" </dev/null >/dev/null 2>&1 &
	"$AWAIT" -t 100 "$BATS_TEST_TMPDIR/child"
	init=$(<"/proc/$!/task/$!/children")
	child=$(<"/proc/${init% }/task/${init% }/children")
	until [[ $(inner_uid "${child% }") == 33 ]]; do :; done
	run -0 ctckpt checkpoint "pid:${init% }" -o "$IMAGE"
	run -3 ctckpt plan "$IMAGE"
	run -0 ctckpt restore --detach --policy map --name "$VICTIM" "$IMAGE"
	init=$(container_pid "$VICTIM")
	child=$(<"/proc/$init/task/$init/children")
	assert_equal "$(inner_uid "$init")" 0
	assert_equal "$(inner_uid "${child% }")" 33
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.again"
}
