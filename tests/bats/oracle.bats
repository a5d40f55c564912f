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

# judge CONTAINER ROUNDS POLICIES [COMMAND...]: the command runs the judge, and so all it asks.
judge() {
	local container=$1 rounds=${ORACLE_ROUNDS:-$2} policies
	read -ra policies <<<"$3"
	run -0 "${@:4}" env CTCKPT_BUILD="$BUILD" python3 "$BATS_TEST_DIRNAME/../tools/states.py" \
		"$container" "$(mktemp -d -p "$BATS_TEST_TMPDIR")" "$SEED" "$rounds" "${policies[@]}"
	assert_contains "$output" "; 0 differences"
	echo "# $output" >&3
}

# judge_as COMMAND...: another invoker of a few tasks.
judge_as() {
	victim_start states "$SEED" 12
	judge "$VICTIM" 2 "strict map" "$@"
	rm "$VICTIM_DIR/ready"
}

@test "oracle: with one id, the plan is what the invoker could, and what /proc says" {
	victim_start states "$SEED" 150
	judge "$VICTIM" 3 "strict map"
}

@test "oracle: with ranges of ids, the plan is what the invoker could, and what /proc says" {
	requires user subuid
	local init
	unshare --user --map-root-user --map-auto --pid --fork --kill-child --mount --net --ipc --uts \
		--cgroup --mount-proc -- bash -c \
		'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
		exec "$@"' - "$BUILD/victim/states" "$SEED" 60 </dev/null >/dev/null 2>&1 &
	"$AWAIT" -t 100 "$VICTIM_DIR/ready" "$VICTIM_DIR/result"
	[[ ! -e $VICTIM_DIR/result ]] || fail "$(<"$VICTIM_DIR/result")"
	init=$(<"/proc/$!/task/$!/children")
	judge "pid:${init% }" 3 "map same-host"
}

@test "oracle: for invokers with less than most, too" {
	judge_as nice -n 5
	judge_as chrt --idle 0
	judge_as ionice -c 3
	judge_as setpriv --no-new-privs
	judge_as prlimit --nofile=100:200 --nproc=1000:2000 --core=0:0 --memlock=8192:9000
	judge_as bash -c 'echo 300 >/proc/self/oom_score_adj; exec "$@"' -
	judge_as taskset -c "$(awk '/Cpus_allowed_list/ { print $2 + 0 }' /proc/self/status)"
}
