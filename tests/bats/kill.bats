#!/usr/bin/env bats
# Whatever happens to ctckpt, the source goes on and nothing is left behind.

# bats file_tags=cgroup

load helper

# The processes of the test that were not there before: after a SIGKILL their end is awaited.
await_workers() {
	local pid
	for pid in $(comm -13 <(sort <<<"$before") <(test_tasks | sort)); do
		"$AWAIT" -t 100 -p "$pid" || {
			ps -o pid,ppid,stat,wchan:20,args -p "$pid"
			fail "process $pid outlives the command"
		}
	done
}

# A moment within the time that the command takes when it is left alone: microseconds.
random_moment() {
	echo $((RANDOM * 32768 % $1 + RANDOM % 1000))
}

# took COMMAND...: sets $duration, in microseconds.
took() {
	local start=${EPOCHREALTIME/./}
	"$@"
	duration=$((${EPOCHREALTIME/./} - start))
}

# Either there is no image, or a whole one.
assert_no_half_image() {
	[[ ! -e $IMAGE ]] || run -0 ctckpt verify "$IMAGE"
	rm -f "$IMAGE"
	assert_equal "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name '*image.ckpt*')" ""
}

@test "kill: checkpoint at 50 moments" {
	local n
	victim_start answering 64
	took ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	rm "$IMAGE"
	before=$(test_tasks)
	for ((n = 0; n < 50; n++)); do
		"$BUILD/tests/tools/killafter" "$(random_moment "$duration")" \
			"$CTCKPT" checkpoint --leave-running "$VICTIM" -o "$IMAGE" || true
		await_workers
		victim_answers 20
		assert_no_half_image
	done
	victim_succeeds
}

@test "kill: the worker of a checkpoint at 50 moments" {
	local n
	victim_start answering 64
	took ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	rm "$IMAGE"
	before=$(test_tasks)
	for ((n = 0; n < 50; n++)); do
		"$BUILD/tests/tools/killafter" -w "$(random_moment "$duration")" \
			"$CTCKPT" checkpoint --leave-running "$VICTIM" -o "$IMAGE" || true
		await_workers
		victim_answers 20
		assert_no_half_image
	done
	victim_succeeds
}

@test "kill: the source keeps nothing of an unfinished image" {
	local n pid
	victim_start answering 256
	pid=$(container_pid "$VICTIM")
	for ((n = 1; n <= 6; n++)); do
		"$BUILD/tests/tools/killafter" $((n * 20000)) \
			"$CTCKPT" checkpoint --leave-running "$VICTIM" -o "$IMAGE" || true
		victim_answers 20
		run readlink "/proc/$pid/fd/"*
		[[ $output != *"(deleted)"* && $output != *socket:* ]]
		rm -f "$IMAGE"
	done
	victim_succeeds
}

# A socket, terminal or queue that was looked at in that moment is as it was before.
@test "kill: the worker of a checkpoint, while it looks into queues, at 50 moments" {
	local n
	victim_start altered
	took ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	rm "$IMAGE"
	before=$(test_tasks)
	for ((n = 0; n < 50; n++)); do
		"$BUILD/tests/tools/killafter" -w "$(random_moment "$duration")" \
			"$CTCKPT" checkpoint --leave-running "$VICTIM" -o "$IMAGE" || true
		await_workers
		victim_answers 20 || fail "$(cat "$VICTIM_DIR/result")"
		rm -f "$IMAGE"
	done
	victim_succeeds
}

@test "kill: checkpoint that ends the container" {
	local n
	victim_start answering 16
	took ctckpt checkpoint "$VICTIM" -o "$IMAGE.0"
	for ((n = 0; n < 10; n++)); do
		ctckpt restore --detach "$IMAGE.0"
		before=$(test_tasks)
		"$BUILD/tests/tools/killafter" "$(random_moment "$duration")" \
			"$CTCKPT" checkpoint "$VICTIM" -o "$IMAGE" || true
		await_workers
		# The container is there, or all of it is in the image.
		if [[ -e $IMAGE ]]; then
			run -0 ctckpt verify "$IMAGE"
		else
			victim_answers 20
		fi
		# shellcheck disable=SC2046 # no pid is no word
		kill_tasks $(container_pid "$VICTIM")
		rm -f "$IMAGE"
	done
}

# What a restore that lost its command had begun may be there for a moment.
is_undone() {
	[[ -z $(container_pid "$VICTIM") ]]
}

@test "kill: restore at 50 moments" {
	local n pid
	victim_start answering 64
	ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	took ctckpt restore --detach "$IMAGE"
	kill_tasks "$(container_pid "$VICTIM")"
	before=$(test_tasks)
	for ((n = 0; n < 50; n++)); do
		"$BUILD/tests/tools/killafter" "$(random_moment "$duration")" \
			"$CTCKPT" restore --detach "$IMAGE" >/dev/null || true
		pid=$(container_pid "$VICTIM")
		if [[ -n $pid ]]; then
			victim_answers 20 || is_undone
			kill_tasks "$pid"
		fi
		await_workers
		assert_equal "$(ctckpt ps --quiet)" ""
		assert_equal "$(test_cgroups)" ""
	done
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

# restore_leaves_no_file [-w]: killed while it makes the files of sockets.
restore_leaves_no_file() {
	local n pid
	victim_start sock_unix
	ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	find "$VICTIM_DIR" -type s -delete
	took ctckpt restore --detach "$IMAGE"
	# shellcheck disable=SC2046 # no pid is no word
	kill_tasks $(container_pid "$VICTIM")
	find "$VICTIM_DIR" -type s -delete
	before=$(test_tasks)
	for ((n = 0; n < 50; n++)); do
		"$BUILD/tests/tools/killafter" "$@" "$(random_moment "$duration")" \
			"$CTCKPT" restore --detach "$IMAGE" >/dev/null || true
		pid=$(container_pid "$VICTIM")
		if [[ -n $pid ]]; then
			kill_tasks "$pid"
			find "$VICTIM_DIR" -type s -delete
		fi
		await_workers
		assert_equal "$(find "$VICTIM_DIR" -type s -o -name ".ctckpt-*")" ""
	done
}

@test "kill: restore at 50 moments leaves no file of a socket" {
	restore_leaves_no_file
}

@test "kill: the worker of a restore at 50 moments leaves no file of a socket" {
	restore_leaves_no_file -w
}

# other_look: all that can be seen of the other root directory, inodes and times included.
other_look() {
	(cd "$OTHER" && find . -printf '%p %y %i %n %m %U:%G %T@ %s %l\n' | sort)
}

# other_make: as it was, or is to be again.
other_make() {
	rm -rf "$OTHER"
	cp -a "$ROOT.before" "$OTHER"
	mkdir -p "$OTHER/data/large/x/y"
	echo z >"$OTHER/data/large/x/y/z"
	seen=$(other_look)
}

@test "kill: a restore or its worker at 20 moments leaves the root directory as it was" {
	local n pid seen which
	load roots
	OTHER=$BATS_TEST_TMPDIR/other
	root_make "$BUILD/victim/file_system"
	mkdir -p "$ROOT/data/emptied"
	touch "$ROOT"/data/{kept,altered,removed,emptied/a,emptied/b,turned}
	cp -a "$ROOT" "$ROOT.before"
	root_start file_system
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE" --file-system=/data
	other_make
	took ctckpt restore --detach --rootfs "$OTHER" --file-system "$IMAGE"
	# shellcheck disable=SC2046 # no pid is no word
	kill_tasks $(container_pid "$VICTIM")
	other_make
	before=$(test_tasks)
	for ((n = 0; n < 20; n++)); do
		which=()
		((n % 2)) || which=(-w)
		"$BUILD/tests/tools/killafter" "${which[@]}" "$(random_moment "$duration")" "$CTCKPT" \
			restore --detach --rootfs "$OTHER" --file-system "$IMAGE" >/dev/null || true
		pid=$(container_pid "$VICTIM")
		if [[ -n $pid ]]; then
			kill_tasks "$pid"
			await_workers
			other_make
		fi
		await_workers
		assert_equal "$(other_look)" "$seen"
	done
}

@test "kill: a full device" {
	victim_start answering 4
	run -1 --separate-stderr bash -c '"$1" checkpoint "$2" -o - >/dev/full' - "$CTCKPT" "$VICTIM"
	assert_contains "$stderr" "No space left on device"
	victim_answers 20
	victim_succeeds
}

@test "kill: a full file system" {
	requires small-fs
	victim_start answering 8
	before=$(ls -A "$CTCKPT_TEST_SMALL")
	run -1 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$CTCKPT_TEST_SMALL/$VICTIM"
	assert_contains "$stderr" "No space left on device"
	assert_equal "$(ls -A "$CTCKPT_TEST_SMALL")" "$before"
	victim_answers 20
	victim_succeeds
}

@test "kill: a limit on the size of files" {
	victim_start answering 8
	run -1 --separate-stderr bash -c 'ulimit -f 1024; exec "$1" checkpoint "$2" -o "$3"' \
		- "$CTCKPT" "$VICTIM" "$IMAGE"
	assert_contains "$stderr" "File too large"
	assert_no_half_image
	victim_answers 20
	victim_succeeds
}

@test "kill: a closed pipe" {
	victim_start answering 8
	run bash -c '"$1" checkpoint "$2" -o - | head -c 100000 >/dev/null; exit ${PIPESTATUS[0]}' \
		- "$CTCKPT" "$VICTIM"
	assert_equal "$status" 1
	assert_contains "$output" "Broken pipe"
	victim_answers 20
	victim_succeeds
}

@test "kill: half an image is refused, from a file and from a pipe" {
	local size
	victim_start answering 8
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	size=$(stat -c %s "$IMAGE")
	head -c $((size - 1000000)) "$IMAGE" >"$IMAGE.half"
	run -4 ctckpt restore --detach --name half "$IMAGE.half"
	run -4 bash -c '"$1" restore --detach --name half - <"$2"' - "$CTCKPT" <(cat "$IMAGE.half")
	assert_equal "$(ctckpt ps --quiet)" "$VICTIM"
	victim_succeeds
}

@test "kill: a missing directory is no reason to stop the source" {
	victim_start answering
	run -1 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$BATS_TEST_TMPDIR/no/such/image"
	assert_contains "$stderr" "No such file or directory"
	victim_answers 20
	victim_succeeds
}
