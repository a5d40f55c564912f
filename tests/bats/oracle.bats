#!/usr/bin/env bats
# Random states, restored: what /proc says is what the plan says, and the plan gives what a clean
# child of the invoker could take by itself and the policy allows, no less and no more.
# ORACLE_SEED=N repeats a run, ORACLE_ROUNDS=N makes a longer one.

load helper

setup() {
	requires cmd-python3
	test_setup
	SEED=${ORACLE_SEED:-$RANDOM}
	echo "ORACLE_SEED=$SEED"
}

# states_hold ROUNDS POLICY... [-- COMMAND...]: the command runs the judge, and so all it asks.
states_hold() {
	local rounds=$1 policies=() count=${COUNT:-200}
	shift
	while (($#)) && [[ $1 != -- ]]; do
		policies+=("$1")
		shift
	done
	shift || true
	victim_start states "$SEED" "$count"
	run -0 timeout 280 "$@" env CTCKPT_BUILD="$BUILD" python3 "$BATS_TEST_DIRNAME/../tools/states.py" \
		"$VICTIM" "$BATS_TEST_TMPDIR" "$SEED" "${ORACLE_ROUNDS:-$rounds}" "${policies[@]}"
	echo "# $output" >&3
}

@test "oracle: random states hold" {
	states_hold 3 strict map
}
