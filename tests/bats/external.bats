#!/usr/bin/env bats
load helper

FORGE=$BUILD/tests/forge

setup() {
	test_setup
	requires cmd-python3
	export VICTIM_SOCKET=$BATS_TEST_TMPDIR/door
}

lend() {
	timeout --foreground 120 python3 "$BATS_TEST_DIRNAME/../tools/lend.py" "$@"
}

# outsider_starts KIND...: a victim has these from somebody who is at their other ends.
outsider_starts() {
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" -- "$BUILD/victim/external" "$@" \
		>"$VICTIM_DIR/name" || fail "the victim did not start"
	until [[ -S $VICTIM_SOCKET ]]; do :; done
	lend "$@" send "$VICTIM_SOCKET" >"$VICTIM_DIR/lend" 2>&1 3>&- &
	outsider=$!
	victim_await ready result || return
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
}

outsider_ends() {
	: >"$VICTIM_DIR/saved"
	wait "$outsider" || fail "$(cat "$VICTIM_DIR/lend")"
}

ALL=(terminal pipe udp device unix)
GIVEN=(--grant fd50=9 --grant fd51=10 --grant fd52=11 --grant fd53=12 --grant fd54=13)

@test "external: what leads outside is named, refused without a grant, and given again" {
	outsider_starts "${ALL[@]}"
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "descriptor 50: terminal /dev/pts/"
	assert_contains "$stderr" "descriptor 51: the other end of a pipe is outside of the container"
	assert_contains "$stderr" "descriptor 52: a socket of another network namespace is not supported"
	assert_contains "$stderr" "descriptor 53: device /dev/"
	run -0 ctckpt checkpoint --external "$VICTIM" -o "$IMAGE"
	outsider_ends

	run -3 --separate-stderr ctckpt plan "$IMAGE"
	local plan
	plan=$(tr -s ' ' <<<"$output")
	assert_contains "$plan" "1:fd50 saved terminal, read and write invoker none given"
	assert_contains "$plan" "1:fd51 saved pipe, read"
	assert_contains "$plan" "1:fd52 saved IPv4 datagram socket, protocol 17"
	assert_contains "$plan" "1:fd53 saved device "
	[[ $plan =~ "1:fd54 saved unix stream socket to process "[0-9]+" (python3)" ]] || fail "$plan"
	assert_contains "$output" "remedy: give it: --grant 1:fd50=FD"
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "1:fd50: nothing else than a given descriptor can take its place"
	assert_contains "$stderr" "hint: give it: --grant 1:fd50=FD"

	run -0 lend "${ALL[@]}" "$CTCKPT" restore --detach "${GIVEN[@]}" "$IMAGE"
	victim_succeeds
	"$AWAIT" "$VICTIM_DIR/answered"
}

@test "external: a file that only others see" {
	outsider_starts hidden
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "descriptor 50: /hidden is outside of the container"
	outsider_ends
}

@test "external: each wrong descriptor is refused" {
	outsider_starts "${ALL[@]}"
	run -0 ctckpt checkpoint --external "$VICTIM" -o "$IMAGE"
	outsider_ends
	run -3 --separate-stderr lend pipe terminal raw terminal udp "$CTCKPT" plan "${GIVEN[@]}" "$IMAGE"
	assert_equal "$(grep -c "REFUSE  rule strict/grants (what is given is something else)" <<<"$output")" 5
}

@test "external: a pipe in the other direction" {
	outsider_starts pipe
	run -0 ctckpt checkpoint --external "$VICTIM" -o "$IMAGE"
	outsider_ends
	run -3 --separate-stderr ctckpt plan --grant fd50=9 "$IMAGE" 9> >(:)
	assert_contains "$output" "(what is given was opened for less)"
}

@test "external: impossible records" {
	outsider_starts "${ALL[@]}"
	run -0 ctckpt checkpoint --external "$VICTIM" -o "$IMAGE"
	outsider_ends
	local edit expected
	while IFS='|' read -r edit expected; do
		"$FORGE" edit "$IMAGE" "$IMAGE.forged" "$edit"
		run -4 --separate-stderr ctckpt plan "$IMAGE.forged"
		assert_contains "$stderr" "$expected"
	done <<-'END'
		EXTN.0+0:4=0xffffffff|external: unknown bits
		EXTN.0+4:4=0|external: unknown type 0
		EXTN.0+4:4=0xa000|external: unknown type 0120000
		EXTN.0+8:4=4|external: unknown bits
		EXTN.1+8:4=1|external: what its type does not have
		EXTN.1+12:4=1|external: what its type does not have
		EXTN.1+20:4=1|external: what its type does not have
		EXTN.1+32:8=1|external: what its type does not have
		EXTN.1+40:8=1|external: what its type does not have
		EXTN.1+48:4=1|external: 56 bytes
		EXTN.0+52:4=1|external: unknown bits
		EXTN.2+28:4=0x80000000|external: impossible number
		EXTN.4+56:1=0|external: bad text
	END
}
