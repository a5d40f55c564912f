#!/usr/bin/env bats
load helper

FORGE=$BUILD/tests/forge

@test "sock_packet: places, groups, fanout, filters and options survive" {
	victim_start sock_packet
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_equal "$stderr" ""
	victim_succeeds
}

@test "sock_packet: a checkpoint leaves them alone" {
	victim_start sock_packet
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "sock_packet: a second restore" {
	victim_start sock_packet
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	victim_succeeds
}

@test "sock_packet: packets that were not read are lost, and said to be" {
	victim_start sock_packet unread
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" \
		"packets that a packet socket had received, and its program had not read, are lost"
	victim_succeeds
}

@test "sock_packet: a ring is refused" {
	victim_start sock_packet ring
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "a packet socket with a ring is not supported"
	victim_succeeds
}

@test "sock_packet: forged records" {
	local edit length
	victim_start sock_packet
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	length=$("$FORGE" list "$IMAGE" | awk '$1 == "SPKT" { print $4; exit }')
	# the first has one group: 24 bytes, then 48 at the end
	for edit in SPKT+8:4=2 SPKT+12:4=10 SPKT+16:4=3 SPKT+4:4=1 \
		"SPKT+$((length - 72)):4=0x80000000" "SPKT+$((length - 66)):2=1" \
		"SPKT+$((length - 60)):4=2" "SPKT+$((length - 60)):4=0xffffffff" \
		"SPKT+$((length - 64)):4=0x70000" "SPKT+$((length - 44)):4=0" \
		"SPKT+$((length - 40)):2=9" "SPKT+$((length - 38)):2=33"; do
		"$FORGE" edit "$IMAGE" "$IMAGE.evil" "$edit"
		CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore --detach "$IMAGE.evil"
		((status == 4)) || fail "$edit ends with $status: $stderr"
	done
}
