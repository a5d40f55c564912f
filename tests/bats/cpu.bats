#!/usr/bin/env bats
load helper
load forged

# The word of CPUID with xop and fma4, and bit 11, which is xop: processors have it no more.
WORD=CPUF+32:4
XOP=$((1 << 11))

saved() {
	! grep -qw xop /proc/cpuinfo || skip "this processor has xop"
	victim_saved cpu
}

with_xop() {
	forge "$WORD=$(($("$FORGE" get "$IMAGE" "$WORD") | XOP))"
}

@test "cpu: the same processor is not spoken of" {
	saved
	run -0 ctckpt plan "$IMAGE"
	[[ $output != *"rule strict/cpu"* ]] || fail "$output"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_equal "$stderr" ""
	victim_succeeds
}

@test "cpu: what this processor lacks is refused by name" {
	saved
	with_xop
	run -3 ctckpt plan "$EVIL"
	assert_contains "$(tr -s ' ' <<<"$output")" \
		"cpu xop saved there invoker - -> REFUSE rule strict/cpu"
	restore_forged
	assert_equal "$status" 3
	assert_contains "$stderr" "cpu xop: this processor lacks it"
	assert_equal "$(test_tasks)" ""
}

@test "cpu: a policy gives instructions up, and that is said" {
	saved
	with_xop
	echo '{ "ctckpt_policy": 1, "extends": "strict", "cpu": "drop" }' >"$BATS_TEST_TMPDIR/policy"
	chmod 600 "$BATS_TEST_TMPDIR/policy"
	run -0 --separate-stderr ctckpt restore --policy "$BATS_TEST_TMPDIR/policy" --detach "$EVIL"
	assert_contains "$stderr" \
		"this processor lacks xop: a program that uses it will be ended by SIGILL"
	victim_succeeds
}

# The last part that there is becomes one of another processor's: part 62.
@test "cpu: a state that is in registers is not given up" {
	local count last low
	saved
	count=$("$FORGE" get "$IMAGE" CPUF+48:4)
	last=$("$FORGE" get "$IMAGE" "CPUF+$((56 + 16 * (count - 1))):4")
	((last > 1)) || skip "this processor has no extended state"
	# XSTATE_BV, behind the record's own 240 bytes and the legacy area.
	low=$("$FORGE" get "$IMAGE" REGS+752:4)
	forge "CPUF+$((56 + 16 * (count - 1))):4=62" "REGS+752:4=$((low & ~(1 << last)))" \
		"REGS+756:4=$((1 << 30))"
	run -3 ctckpt plan "$EVIL"
	assert_contains "$(tr -s ' ' <<<"$output")" "cpu state part 62 saved in registers invoker -"
	echo '{ "ctckpt_policy": 1, "extends": "strict", "cpu": "drop" }' >"$BATS_TEST_TMPDIR/policy"
	chmod 600 "$BATS_TEST_TMPDIR/policy"
	# shellcheck disable=SC2034 # for forged.bash
	FORGED_OPTIONS=(--policy "$BATS_TEST_TMPDIR/policy")
	restore_forged
	assert_equal "$status" 3
	assert_contains "$stderr" "cpu state part 62: this processor has no such state"
}

@test "cpu: impossible records" {
	saved
	rejects 4 "cpu: " CPUF+48:4=64
	rejects 4 "cpu: unknown bits" CPUF+52:4=1
	rejects 4 "cpu: numbers of parts" CPUF+56:4=1
	rejects 4 "cpu: numbers of parts" CPUF+56:4=63
	rejects 4 "cpu: place of a part" CPUF+64:4=0
	rejects 4 "cpu: place of a part" CPUF+92:4=65536
	rejects 4 "cpu: registers of thread" REGS+756:4=$((1 << 30))
}

# As if by a processor that has the masks of AVX-512 and the form of AMX's tiles in each other's place:
# the restoring one has them where it has them.
@test "cpu: extended state in other places" {
	local edits
	victim_saved registers
	"$FORGE" list "$IMAGE" >"$BATS_TEST_TMPDIR/list"
	edits=$(python3 - "$IMAGE" "$BATS_TEST_TMPDIR/list" <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		rows = [line.split() for line in open(sys.argv[2])]
		cpu = next(int(row[2]) for row in rows if row[0] == "CPUF")
		parts = {}
		for i in range(struct.unpack_from("<I", data, cpu + 48)[0]):
		    number, offset, size = struct.unpack_from("<III", data, cpu + 56 + 16 * i)
		    parts[number] = (i, offset, size)
		if parts.get(5, (0, 0, 0))[2] == parts.get(17, (0, 0, 1))[2]:
		    (i, a, size), (j, b, _) = parts[5], parts[17]
		    print(f"CPUF+{60 + 16 * i}:4={b} CPUF+{60 + 16 * j}:4={a}")
		    for n, at in enumerate(int(row[2]) + 240 for row in rows if row[0] == "REGS"):
		        for k in range(0, size, 8):
		            for to, source in ((a, b), (b, a)):
		                value = struct.unpack_from("<Q", data, at + source + k)[0]
		                print(f"REGS.{n}+{240 + to + k}:8={value}")
	END
	)
	[[ -n $edits ]] || skip "this processor has no AMX"
	# shellcheck disable=SC2086 # edits are words
	forge $edits
	run -0 ctckpt restore --detach "$EVIL"
	victim_succeeds
}
