# What every test file loads. A test starts containers only by victim_start, program_start or
# container_start; teardown ends what is left of them, and fails a test that leaves anything else
# behind.

# shellcheck disable=SC2034 # variables for the tests

bats_require_minimum_version 1.5.0

BUILD=${CTCKPT_BUILD:-$(cd "$BATS_TEST_DIRNAME/../../build" && pwd)}
CTCKPT=$BUILD/ctckpt
AWAIT=$BUILD/tests/tools/await
DAMAGED=$BATS_TEST_DIRNAME/../damaged

# A command that hangs is a failure, not a test that never ends.
ctckpt() {
	local command=(timeout --foreground "${CTCKPT_TIMEOUT:-120}" "$CTCKPT" "$@")
	if [[ $EUID != 0 || ${1:-} != ps ]]; then
		"${command[@]}"
		return
	fi
	# Root's podman registers containers where all tests see them: NAME-$VICTIM.
	"${command[@]}" | awk -v own="$VICTIM" '$1 !~ /.-t-[a-z0-9_]+-[0-9]+-[0-9]+$/ || index($1, own)'
	return "${PIPESTATUS[0]}"
}

setup() {
	test_setup
}

teardown() {
	test_teardown
}

test_setup() {
	IMAGE=$BATS_TEST_TMPDIR/image.ckpt
	VICTIM_DIR=$BATS_TEST_TMPDIR/victim
	VICTIM=t-$(basename "$BATS_TEST_FILENAME" .bats)-$BATS_TEST_NUMBER-$$
	# A registry of the test's own, and the mark by which its processes are known.
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run VICTIM_DIR
	mkdir -m 0700 "$XDG_RUNTIME_DIR"
	mkdir "$VICTIM_DIR"
}

# requires NAME...: skips the test, by name, where one of these is missing. root and user (who
# runs it), cgroup (one that may be used), small-fs, programs-32 (victims of 32 bits),
# kernel-X.Y, landlock-N
# (version of its interface), cmd-NAME (a program).
requires() {
	local need
	for need; do
		has "$need" || skip "requires $need"
	done
}

has() {
	local version
	case $1 in
	root) ((EUID == 0)) ;;
	user) ((EUID != 0)) ;;
	cgroup) [[ ${CTCKPT_TEST_CGROUP:-none} != none ]] ;;
	cgroup-v1) [[ ${CTCKPT_TEST_CGROUP:-none} == v1 ]] ;;
	cgroup-v2) [[ ${CTCKPT_TEST_CGROUP:-none} == v2 ]] ;;
	small-fs) [[ -n ${CTCKPT_TEST_SMALL:-} ]] ;;
	programs-32) [[ -x $BUILD/victim/32/compat ]] ;;
	landlock-*) (($("$BUILD/victim/landlocked" version) >= ${1#landlock-})) ;;
	subuid) ((EUID == 0)) || grep -q "^$(id -un):" /etc/subuid 2>/dev/null ;;
	kernel-*)
		version=$(uname -r)
		[[ $(printf '%s\n' "${1#kernel-}" "$version" | sort -V | head -n 1) == "${1#kernel-}" ]]
		;;
	cmd-*) command -v "${1#cmd-}" >/dev/null ;;
	*) fail "requires: $1 is not known" ;;
	esac
}

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# container_start NAME COMMAND...: in the background, its output in $VICTIM_DIR/log.
container_start() {
	local name=$1
	shift
	ctckpt run --detach --name "$name" --log "$VICTIM_DIR/log" -- "$@" \
		>"$VICTIM_DIR/name" || fail "container $name did not start: $*"
}

# victim_start NAME [ARGUMENT...]: the container $VICTIM runs tests/victim/NAME.c, and has built
# its state when this returns.
victim_start() {
	local program=$1
	shift
	command_start "$BUILD/victim/$program" "$@"
}

# victim_try NAME [ARGUMENT...]: likewise; skips the test where the kernel lacks what it is about.
victim_try() {
	victim_start "$@"
	[[ ! -e $VICTIM_DIR/missing ]] || skip "this kernel does not have it"
}

# program_start FILE [ARGUMENT...]: likewise for a script or program in tests/programs.
program_start() {
	local program=$1
	shift
	local file=$BUILD/tests/programs/$program
	[[ -x $file ]] || file=$BATS_TEST_DIRNAME/../programs/$program
	command_start "$file" "$@"
}

command_start() {
	container_start "$VICTIM" "$@" || return
	victim_await ready result || return
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
}

# Lets other users of the container, too, work in the victim's directory.
victim_dir_share() {
	local dir=$VICTIM_DIR
	chmod a+rwx "$dir"
	while dir=$(dirname "$dir") && [[ $dir != / && -O $dir ]]; do
		chmod a+x "$dir"
	done
}

# victim_await FILE...: until one of these is in $VICTIM_DIR, or the container has ended.
victim_await() {
	local pid
	pid=$(container_pid "$VICTIM")
	local until=(-t 0)
	[[ -z $pid ]] || until=(-p "$pid")
	"$AWAIT" "${until[@]}" "${@/#/$VICTIM_DIR/}" && return
	victim_failed "while waiting for $*"
}

victim_failed() {
	fail "$VICTIM failed $1: $(cat "$VICTIM_DIR/result" "$VICTIM_DIR/log" 2>/dev/null)"
}

# Lets the victim verify itself, and waits until it has ended.
victim_succeeds() {
	local pid
	pid=$(container_pid "$VICTIM")
	[[ -n $pid ]] || fail "$VICTIM is not there" || return
	: >"$VICTIM_DIR/go"
	victim_succeeded || return
	"$AWAIT" -p "$pid" || fail "$VICTIM did not end"
}

# Likewise, for one that has been told to.
victim_succeeded() {
	"$AWAIT" "$VICTIM_DIR/result" || victim_failed "while waiting for its result" || return
	[[ $(<"$VICTIM_DIR/result") == ok ]] || victim_failed "its expectations"
}

# victim_refused TEXT: it is not saved, with this reason, and goes on.
victim_refused() {
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "$1" || return
	[[ ! -e $IMAGE ]] || fail "there is an image" || return
	victim_succeeds
}

# victim_answers SECONDS: its first task runs, and says so within this time.
victim_answers() {
	local pid
	pid=$(container_pid "$VICTIM")
	[[ -n $pid ]] || fail "$VICTIM is gone" || return
	task_answers "$1" "$pid"
}

# task_answers SECONDS PID: likewise for whoever answers to the test.
task_answers() {
	rm -f "$VICTIM_DIR/pong"
	: >"$VICTIM_DIR/ping"
	"$AWAIT" -t "$1" -p "$2" "$VICTIM_DIR/pong" ||
		fail "process $2 does not answer: $(grep State "/proc/$2/status")"
}

# The outer pid of a container's first task; empty when it is gone.
container_pid() {
	ctckpt ps --engine ctckpt | awk -v name="$1" '$1 == name { print $2 }'
}

assert_equal() {
	[[ $1 == "$2" ]] || fail "expected: $2" "got: $1"
}

assert_contains() {
	[[ $1 == *"$2"* ]] || fail "expected: ...$2..." "got: $1"
}

# The pids of all processes that this test has started: they have its registry in their
# environment.
test_tasks() {
	local pid
	# No other program may be in this pipeline: it would be found.
	env -u XDG_RUNTIME_DIR grep -lszF "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR" /proc/[0-9]*/environ |
		while IFS=/ read -r _ _ pid _; do
			echo "$pid"
		done
}

# cgroups_like PATTERN: their paths, the deepest first. Those of other tests go away while find looks,
# which it counts as a failure, also with -ignore_readdir_race.
cgroups_like() {
	find /sys/fs/cgroup -depth -type d -path "$1" 2>/dev/null || true
}

test_cgroups() {
	cgroups_like "*t-*-$BATS_TEST_NUMBER-$$*"
}

# kill_tasks PID...: and wait until they are gone.
kill_tasks() {
	local pid
	for pid; do
		kill -KILL "$pid" 2>/dev/null || true
		"$AWAIT" -t 100 -p "$pid" || fail "process $pid does not die"
	done
}

test_teardown() {
	local left
	# Containers that the test had no reason to end: their first task takes the others along.
	# shellcheck disable=SC2046 # pids are words
	kill_tasks $(ctckpt ps --engine ctckpt | awk 'NR > 1 { print $2 }')
	assert_equal "$(ctckpt ps --quiet --engine ctckpt)" ""

	left=$(test_tasks)
	if [[ -n $left ]]; then
		# shellcheck disable=SC2086 # pids are words
		ps -o pid,ppid,stat,wchan:20,args -p "$(echo $left | tr ' ' ,)" >&2
		# shellcheck disable=SC2086
		kill_tasks $left
		fail "the test left processes behind"
	fi
	left=$(test_cgroups)
	[[ -z $left ]] || fail "the test left cgroups behind: $left"
	! grep -qF "$BATS_TEST_TMPDIR" /proc/self/mountinfo || fail "the test left mounts behind"
}
