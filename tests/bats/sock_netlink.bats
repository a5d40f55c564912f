#!/usr/bin/env bats
load helper

FORGE=$BUILD/tests/forge

@test "sock_netlink: ports, groups, options and peers survive" {
	victim_start sock_netlink
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_equal "$stderr" ""
	victim_succeeds
}

@test "sock_netlink: a checkpoint leaves them alone" {
	victim_start sock_netlink
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sock_netlink: a second restore" {
	victim_start sock_netlink
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

@test "sock_netlink: messages that were not read are refused" {
	victim_start sock_netlink queued
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "messages in the queue of a netlink socket"
	assert_contains "$stderr" "hint: let the program read them"
	victim_succeeds
}

@test "sock_netlink: forged records" {
	local edit length
	victim_start sock_netlink
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	length=$("$FORGE" list "$IMAGE" | awk '$1 == "SNLK" { print $4; exit }')
	# another family, type and protocol; more groups than there are, and than may be
	for edit in SNLK+8:4=2 SNLK+12:4=1 SNLK+16:4=99 SNLK+4:4=1 \
		"SNLK+$((length - 12)):4=200" "SNLK+$((length - 12)):4=0xffffffff"; do
		"$FORGE" edit "$IMAGE" "$IMAGE.evil" "$edit"
		CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore --detach "$IMAGE.evil"
		((status == 4)) || fail "$edit ends with $status: $stderr"
	done
}
