#!/usr/bin/env bats
load helper
load forged

# lost SORT TEXT: the plan and the report say it.
lost() {
	victim_start loss "$1" lost
	[[ ! -e $VICTIM_DIR/missing ]] || skip "this kernel does not have it"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" "saved $2 invoker - -> drop rule strict/losses (it does not come back)"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	[[ $stderr == *"note: task "*" loses $2"* || $stderr == *"note: lost: $2"* ]] || fail "$stderr"
	victim_succeeds
}

@test "loss: overruns of a timer whose signal was taken" {
	lost taken "1 timers' overruns that were to be told"
}

@test "loss: overruns of a timer whose signal waits" {
	lost waiting "1 timers' overruns that were to be told"
}

@test "loss: flags of files" {
	lost flags "1 files' flags of chattr(1) in $VICTIM_DIR/mount"
}

@test "loss: a time slice" {
	requires kernel-6.12
	lost slice "1 time slice that a thread asked for"
}

@test "loss: how an epoll polls" {
	lost epoll "1 setting of an epoll for busy polling"
}

@test "loss: the session of a zombie" {
	lost session "1 process group of a zombie"
}

# kept SORT: nobody speaks of it.
kept() {
	victim_start loss "$1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt plan "$IMAGE"
	[[ $output != *strict/losses* ]] || fail "$output"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_equal "$stderr" ""
	victim_succeeds
}

@test "loss: what is not lost is not said to be" {
	kept waiting
}

@test "loss: nor the ids of one's own" {
	kept ids
}

@test "loss: nor files without flags" {
	kept flags
}

@test "loss: ids of a zombie, and groups of the peer of a socket" {
	requires user subuid
	local init
	# shellcheck disable=SC2016 # the inner shell's
	unshare --user --map-root-user --map-auto --pid --fork --kill-child --mount --net --ipc --uts \
		--cgroup --mount-proc -- bash -c \
		'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done; exec "$@"' \
		- "$BUILD/victim/loss" ids lost </dev/null >/dev/null 2>&1 &
	"$AWAIT" -t 20 "$VICTIM_DIR/ready"
	init=$(<"/proc/$!/task/$!/children")
	run -0 ctckpt checkpoint "pid:${init% }" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach --policy map --name "$VICTIM" "$IMAGE"
	assert_contains "$stderr" "task 2 loses 1 user or groups of a zombie"
	assert_contains "$stderr" "lost: 1 list of groups of the peer of a unix socket"
	victim_succeeds
}

@test "loss: nor the time slice that all have" {
	kept slice
}

@test "loss: nor an epoll that was told nothing" {
	kept epoll
}

@test "loss: a policy may refuse it" {
	victim_saved loss waiting lost
	echo '{"ctckpt_policy": 1, "extends": "strict", "losses": {"action": "refuse"}}' \
		>"$BATS_TEST_TMPDIR/policy.json"
	run -3 ctckpt restore --detach --policy "$BATS_TEST_TMPDIR/policy.json" "$IMAGE"
	assert_contains "$output" "1 timers' overruns that were to be told"
}

@test "loss: impossible records" {
	victim_saved loss waiting lost
	rejects 4 "loss: of something unknown" LOSS+0:4=0
	rejects 4 "loss: of something unknown" LOSS+0:4=99
	rejects 4 "loss: of something unknown" LOSS+8:4=0
	rejects 4 "loss: 16 bytes" LOSS+12:4=1
	rejects 4 "is not what has lost it" LOSS+4:4=0
	rejects 4 "is not what has lost it" LOSS+0:4=3
}
