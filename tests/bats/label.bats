#!/usr/bin/env bats
load helper

FORGE=$BUILD/tests/forge

@test "label: a login uid is the invoker's, whatever the image says" {
	local login
	login=$(cat /proc/self/loginuid) || skip "requires the kernel's audit"
	[[ $login == 4294967295 ]] || skip "requires the kernel's audit"
	victim_start label
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"

	run -0 ctckpt plan "$IMAGE"
	assert_contains "$(tr -s ' ' <<<"$output")" "thread 2 loginuid saved 0 invoker - -> inherit \
rule strict/loginuid (it is the invoker who is accountable)"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$(tail -vn +1 /proc/"$(container_pid "$VICTIM")"/task/*/loginuid |
		grep -cx "$login")" 2
	victim_succeeds
}

@test "label: impossible records are refused" {
	[[ $(cat /proc/self/loginuid) == 4294967295 ]] || skip "requires the kernel's audit"
	victim_start label
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	"$FORGE" edit "$IMAGE" "$IMAGE.evil" LABL+4:4=4294967295
	run -4 --separate-stderr ctckpt restore --detach "$IMAGE.evil"
	assert_contains "$stderr" "label: 8 bytes"
}
