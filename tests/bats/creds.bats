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

# bats test_tags=root
@test "creds: map without ranges leaves an invoker's supplementary groups, and says so" {
	requires root
	local plan pid group
	# No user of this system: root's own tools read what is restored from outside.
	ctckpt() {
		timeout --foreground 120 setpriv --reuid 54321 --regid 54322 --groups 27,54322,100 \
			--inh-caps=-all "$CTCKPT" "$@"
	}
	victim_dir_share
	chown 54321 "$XDG_RUNTIME_DIR" "$BATS_TEST_TMPDIR"
	victim_start idle
	pid=$(container_pid "$VICTIM")
	assert_equal "$(grep ^Groups: "/proc/$pid/status" | xargs)" "Groups: 27 100 54322"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan --policy map "$IMAGE"
	plan=$(tr -s ' ' <<<"$output")
	for group in 27 100; do
		assert_contains "$plan" "CONTAINER groups saved - invoker $group -> inherit rule map/groups (the kernel lets nobody drop it without a map of more gids)"
	done
	assert_contains "$plan" "groups saved 65534 invoker 54322 -> inherit rule map/groups (the invoker's own groups remain instead)"
	assert_contains "$plan" "groups saved 0 invoker 54322 -> keep rule map/groups"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	pid=$(container_pid "$VICTIM")
	assert_equal "$(grep -E '^(Uid|Gid|Groups):' "/proc/$pid/status" | xargs)" \
		"Uid: 54321 54321 54321 54321 Gid: 54322 54322 54322 54322 Groups: 27 100 54322"
	assert_equal "$(xargs <"/proc/$pid/gid_map") $(<"/proc/$pid/setgroups")" "0 54322 1 deny"
	victim_succeeds
}
