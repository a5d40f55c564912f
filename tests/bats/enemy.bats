#!/usr/bin/env bats
# A task that is being saved is an enemy: whatever it is called, does or has others do, the
# checkpoint is made or refused in words, and the container goes on.
#
# The mistakes of other tools of this field, and what holds here (unit: in tests/unit):
#
# | a log file that the caller chose, written by root | nothing here has more rights than who calls
# |                                                   | it; enemy: a log is not written through a link
# | configuration taken from the peer                 | freeze: the socket of a holder is its owner's
# |                                                   | alone; what it takes has no path and no policy
# | images that all can read                          | checkpoint: images are the invoker's alone
# | a path of a deleted file with ..                  | forged: a file by another way;
# |                                                   | forged: removed directories
# | mounts and devices taken from an archive          | forged: mounts: paths that lead elsewhere;
# |                                                   | forged: a file for a mount that is not ours
# | an output or log that is a link                   | checkpoint: a symlink in the image's place is
# |                                                   | not followed; a FIFO is not replaced;
# |                                                   | enemy: a pid file takes the place of a link
# | names imported from an archive                    | forged: the name of a container
# | a container called ..                             | run: a name in use, or that is none, is refused;
# |                                                   | unit registry: names, hostile_files_are_skipped
# | a runtime directory of somebody else's            | unit registry: directory_is_checked
# | /proc/self/exe overwritten                        | enemy: a root directory whose loader is an enemy
# | fsuid, bounding set and securebits forgotten      | forged: ids and capabilities;
# |                                                   | unit task_kinds, policy_ids, policy_presets

# bats file_tags=root

load helper

# Nothing that a terminal obeys, and nothing that is no text.
assert_harmless() {
	if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' <<<"$1"; then
		fail "control characters: $(cat -v <<<"$1")"
	fi
	iconv -f UTF-8 -t UTF-8 <<<"$1" >/dev/null || fail "no UTF-8: $(cat -v <<<"$1")"
}

assert_json() {
	assert_harmless "$1"
	python3 -m json.tool <<<"$1" >/dev/null || fail "no JSON: $1"
}

# saved_or_refused TEXT...: a checkpoint that goes on is made, and whole, or was refused or failed
# for one of these reasons.
saved_or_refused() {
	local text
	run ctckpt checkpoint --leave-running --force "$VICTIM" -o "$IMAGE"
	assert_harmless "$output"
	victim_answers 60
	if ((status == 0)); then
		run -0 ctckpt verify "$IMAGE"
		return
	fi
	((status == 1 || status == 3)) || fail "status $status: $output"
	for text; do
		[[ $output != *"$text"* ]] || return 0
	done
	fail "another reason: $output"
}

@test "enemy: no name reaches the terminal as it is, and JSON stays JSON" {
	local words
	victim_start enemy names
	for words in ps "checkpoint --leave-running --debug $VICTIM -o $IMAGE" "plan $IMAGE" \
		"inspect $IMAGE" "inspect --records $IMAGE"; do
		# shellcheck disable=SC2086 # words
		run -0 ctckpt $words
		assert_harmless "$output"
	done
	assert_contains "$(ctckpt plan "$IMAGE")" 'TASK 1 (\x1b[2J)\x0a( "\x5c\xff:)'
	for words in ps "checkpoint --leave-running --force $VICTIM -o $IMAGE" "plan $IMAGE" \
		"inspect --records $IMAGE"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr ctckpt --json $words
		assert_json "$output"
	done
	run -0 ctckpt checkpoint "$VICTIM" --force -o "$IMAGE"
	run -0 ctckpt restore --debug --detach "$IMAGE"
	assert_harmless "$output"
	victim_succeeds
}

@test "enemy: nor does one in a refusal" {
	local task='task 1 (\x1b[2J)\x0a( "\\xff:)'
	victim_start enemy blocked-names
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_harmless "$output"
	assert_contains "$output" "checkpoint $VICTIM: $task, descriptor "
	assert_contains "$output" ": userfaultfd is not supported"
	run -3 --separate-stderr ctckpt checkpoint --json "$VICTIM" -o "$IMAGE"
	assert_json "$stderr"
	[[ ! -e $IMAGE ]]
	victim_succeeds
}

@test "enemy: registers, stacks and lists that are nowhere" {
	victim_start enemy nowhere
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_answers 60
	run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_answers 60
	victim_succeeds
}

@test "enemy: tasks that step and interrupt themselves" {
	victim_start enemy trapped
	saved_or_refused "a pending SIGTRAP cannot be saved"
	victim_succeeds
}

@test "enemy: a task without a vdso can be entered in a system call" {
	victim_start enemy sleep
	saved_or_refused "has no vdso and is not in a system call: cannot enter it"
	victim_succeeds
}

@test "enemy: elsewhere it can't" {
	victim_start enemy spin
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "has no vdso and is not in a system call: cannot enter it"
	victim_answers 60
	victim_succeeds
}

@test "enemy: tasks that fork, die, kill, and execute programs" {
	local n
	victim_start enemy storm
	for n in 1 2 3 4 5; do
		saved_or_refused "waits for its vfork child" "new tasks keep coming" \
			"the main thread has ended, and others have not"
	done
	victim_succeeds
}

@test "enemy: a task that traces another goes on tracing it" {
	victim_start enemy trace
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "(enemy) is traced by task "
	victim_answers 60
	victim_succeeds
}

@test "enemy: a file of an EiB, and ten thousand mappings" {
	victim_start enemy large
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "enemy: files cut off, queues filled and emptied by somebody outside, meanwhile" {
	local n accomplice
	victim_start enemy shared
	"$BUILD/victim/enemy" accomplice "$(container_pid "$VICTIM")" 3>&- &
	accomplice=$!
	"$AWAIT" -t 100 "$VICTIM_DIR/accomplice"
	for n in 1 2 3 4 5; do
		saved_or_refused "descriptor " "read memory at"
	done
	: >"$VICTIM_DIR/enough"
	wait "$accomplice"
	victim_succeeds
}

@test "enemy: a path that is longer than paths can be" {
	victim_start enemy deep
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "file under a path that is too long is not supported"
	assert_contains "$output" "the path of its current directory is too long"
	victim_answers 60
	victim_succeeds
}

@test "enemy: tasks are killed by somebody outside, meanwhile" {
	local n pid storm killer
	requires user
	victim_start enemy storm
	pid=$(container_pid "$VICTIM")
	storm=$(awk '{ print $1 }' "/proc/$pid/task/$pid/children")
	(
		until [[ -e $VICTIM_DIR/enough ]] || ((SECONDS > 200)); do
			while read -r -d " " n; do
				kill -KILL "$n" 2>/dev/null
			done <"/proc/$storm/task/$storm/children"
		done
	) 3>&- &
	killer=$!
	for n in 1 2 3 4 5 6 7 8; do
		run ctckpt checkpoint --leave-running --force "$VICTIM" -o "$IMAGE"
		((status == 0 || status == 1 || status == 3)) || fail "status $status: $output"
		[[ $output != *"worker process"* ]] || fail "$output"
		victim_answers 60
	done
	: >"$VICTIM_DIR/enough"
	wait "$killer" || true
	victim_succeeds
}

@test "enemy: signals without end from outside" {
	local n pid flood
	victim_start enemy nowhere
	pid=$(container_pid "$VICTIM")
	(
		until [[ -e $VICTIM_DIR/enough ]] || ((SECONDS > 200)); do
			for n in URG WINCH CHLD STOP CONT RTMIN+3; do
				kill -"$n" "$pid" 2>/dev/null
			done
		done
	) 3>&- &
	flood=$!
	for n in 1 2 3 4 5; do
		run ctckpt checkpoint --leave-running --force "$VICTIM" -o "$IMAGE"
		((status == 0 || status == 1)) || fail "status $status: $output"
	done
	: >"$VICTIM_DIR/enough"
	wait "$flood" || true
	kill -CONT "$pid"
	victim_answers 60
	victim_succeeds
}

@test "enemy: a program with more rights than the invoker's" {
	local pid
	requires user
	"$BUILD/victim/enemy" parent /usr/bin/su root 3>&- &
	pid=$!
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	run -1 ctckpt checkpoint "pid:$pid" -o "$IMAGE"
	assert_contains "$output" "(su) of user $UID: Operation not permitted"
	: >"$VICTIM_DIR/ping"
	"$AWAIT" -t 100 "$VICTIM_DIR/pong"
	: >"$VICTIM_DIR/go"
	"$AWAIT" -t 100 -p "$pid" || kill -KILL "$pid"
	assert_equal "$(<"$VICTIM_DIR/result")" ok
}

@test "enemy: a root directory whose loader is an enemy does not get hold of this program" {
	local flags=(-O1 -static -nostdlib -ffreestanding -fno-stack-protector)
	requires cmd-gcc
	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT"/{bin,dev,lib64,proc,sys,tmp,v}
	gcc "${flags[@]}" -Wl,-Ttext-segment=0x10000000 -o "$ROOT/bin/again" \
		"$BATS_TEST_DIRNAME/enemy_loader.c"
	cp "$ROOT/bin/again" "$ROOT/lib64/ld-linux-x86-64.so.2"
	printf '#!/proc/self/exe\n' >"$ROOT/bin/script"
	chmod +x "$ROOT/bin/script"
	cp "$CTCKPT" "$BATS_TEST_TMPDIR/own"
	run -0 timeout 100 "$BATS_TEST_TMPDIR/own" run --detach --name "$VICTIM" --rootfs "$ROOT" \
		-- /bin/script
	"$AWAIT" -t 100 "$ROOT/v/result"
	assert_equal "$(<"$ROOT/v/result")" "out of reach"
}

# outsider_start WHAT: sets $pid, whose memory its parent writes, and $parent.
outsider_start() {
	"$BUILD/victim/enemy" outsider "$1" 3>&- &
	parent=$!
	"$AWAIT" -t 100 "$VICTIM_DIR/pid" "$VICTIM_DIR/ready"
	pid=$(<"$VICTIM_DIR/pid")
}

outsider_succeeds() {
	: >"$VICTIM_DIR/go"
	"$AWAIT" -t 100 -p "$parent" || kill -KILL "$parent" "$pid"
	assert_equal "$(<"$VICTIM_DIR/result")" ok
}

@test "enemy: our code is overwritten by somebody outside" {
	local pid parent n
	outsider_start code
	for n in 1 2 3; do
		run ctckpt checkpoint --leave-running --force "pid:$pid" -o "$IMAGE"
		# On a busy machine, somebody may be too late.
		((status == 0)) || assert_contains "$output" \
			"task $pid does not come back from what it is to do for us"
		task_answers 60 "$pid"
	done
	outsider_succeeds
}

@test "enemy: our results are overwritten by somebody outside" {
	local pid parent n
	outsider_start results
	for n in 1 2 3 4 5; do
		run ctckpt checkpoint --leave-running --force "pid:$pid" -o "$IMAGE"
		assert_harmless "$output"
		((status == 0 || status == 1 || status == 3)) || fail "status $status: $output"
		[[ $output != *"worker process"* ]] || fail "$output"
		task_answers 60 "$pid"
	done
	outsider_succeeds
}

@test "enemy: a log is not written through a link, nor waited for" {
	ln -s "$BATS_TEST_TMPDIR/precious" "$VICTIM_DIR/log"
	run -1 ctckpt run --detach --log "$VICTIM_DIR/log" -- true
	assert_contains "$output" "open $VICTIM_DIR/log: Too many levels of symbolic links"
	assert_contains "$output" "hint: a log is not written through a link"
	[[ ! -e $BATS_TEST_TMPDIR/precious ]]
	mkfifo "$VICTIM_DIR/fifo"
	run -1 ctckpt run --detach --log "$VICTIM_DIR/fifo" -- true
	assert_contains "$output" "open $VICTIM_DIR/fifo: No such device or address"
}

@test "enemy: a pid file takes the place of a link" {
	echo precious >"$BATS_TEST_TMPDIR/precious"
	ln -s precious "$BATS_TEST_TMPDIR/pid"
	run -0 ctckpt run --pid-file "$BATS_TEST_TMPDIR/pid" -- true
	assert_equal "$(<"$BATS_TEST_TMPDIR/precious")" precious
}
