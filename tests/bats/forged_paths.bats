#!/usr/bin/env bats
# Forged paths, flags, ids, capabilities and confinement: refused, or harmless, and what harmless
# means is looked at in the restored tasks.

load helper
load roots
load forged

SWAP=$BUILD/tests/tools/swap
# So long that other paths fit into their place.
X=$(printf 'x%.0s' {1..100})
HELD=(r:r"$X" w:w"$X" d:d"$X" p:p"$X" f:f"$X" m:m"$X" s:s"$X" i:i"$X" u:u"$X" c:c"$X")

# One container that holds a file in each way, in a root directory; what it must not get is beside
# that.
held_saved() {
	OUTSIDE=$BATS_TEST_TMPDIR/outside
	mkdir -p "$OUTSIDE"
	printf '0123456789secret' >"$OUTSIDE/secret"
	root_start changed "${HELD[@]}"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# shellcheck disable=SC2034 # for forged.bash
	FORGED_OPTIONS=(--rootfs "$ROOT")
}

# The files of all tasks of the container, DEVICE:INODE each.
files_of_container() {
	local pid
	for pid in $(test_tasks); do
		stat -Lc %d:%i "/proc/$pid/cwd" "/proc/$pid/root" "/proc/$pid/exe" "/proc/$pid"/fd/* \
			2>/dev/null
		awk '$5 != 0 { print "map:" $5 }' "/proc/$pid/maps"
	done
}

# It has nothing of what is outside, and has left that as it was.
holds_nothing_outside() {
	local files file
	files=$(files_of_container)
	grep -qx "$(stat -Lc %d:%i "$ROOT")" <<<"$files" || fail "nothing was looked at" || return
	for file in "$OUTSIDE" "$OUTSIDE/secret" "$BATS_TEST_TMPDIR" / /etc/passwd; do
		! grep -qx "$(stat -Lc %d:%i "$file")" <<<"$files" || fail "it has $file" || return
		! grep -qx "map:$(stat -Lc %i "$file")" <<<"$files" || fail "it maps $file" || return
	done
	outside_is_untouched
}

outside_is_untouched() {
	assert_equal "$(<"$OUTSIDE/secret")" 0123456789secret || return
	assert_equal "$(ls -A "$OUTSIDE")" secret || return
	! compgen -G "$ROOT/v/.ctckpt-*" || fail "a file was left behind"
}

# harmless EDIT...: it is refused with a sentence, or it goes on without anything from outside.
harmless() {
	forge "$@" || return
	restore_forged
	if ((status == 0)); then
		holds_nothing_outside || fail "after $*" || return
		# shellcheck disable=SC2046 # no pid is no word
		kill_tasks $(container_pid "$VICTIM")
	else
		[[ $status == [134] ]] || fail "$* ends with $status: $stderr" || return
		[[ $stderr == "ctckpt: restore "* ]] || fail "$* says: $stderr" || return
		outside_is_untouched || return
	fi
	assert_equal "$(ctckpt ps --quiet)" "" || return
	assert_equal "$(test_tasks)" ""
}

# each_path LETTERS PATH...: these paths in the place of the saved ones.
each_path() {
	local letters=$1 letter place path
	shift
	for ((n = 0; n < ${#letters}; n++)); do
		letter=${letters:n:1}
		place=$(place_of "/v/$letter$X") || return
		for path; do
			((${#path} <= ${place##*:})) || continue
			harmless "$place=@$path" || return
		done
	done
}

ODD_PATHS=(/proc/self/root/etc/passwd /proc/1/root/etc/passwd /proc/self/fd/3 /proc/1/mem
	/proc/thread-self/cwd/secret /dev/stdin /dev/zero /fifo /socket /v /away/secret /up/secret /me)

make_odd_paths() {
	mkfifo "$ROOT/fifo"
	(cd "$ROOT" && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")')
	ln -s "$OUTSIDE" "$ROOT/away"
	ln -s ../../../../../../../../../../../../.."$OUTSIDE" "$ROOT/up"
	ln -s v/r"$X" "$ROOT/me"
}

@test "forged paths: open files and directories lead to nothing outside" {
	held_saved
	make_odd_paths
	each_path rd "$OUTSIDE/secret" "$OUTSIDE" "${ODD_PATHS[@]}"
}

@test "forged paths: places, fifos and watches lead to nothing outside" {
	held_saved
	make_odd_paths
	each_path pfi "$OUTSIDE/secret" "$OUTSIDE" "${ODD_PATHS[@]}"
}

@test "forged paths: mapped files lead to nothing outside" {
	held_saved
	make_odd_paths
	each_path ms "$OUTSIDE/secret" "$OUTSIDE" "${ODD_PATHS[@]}"
}

@test "forged paths: current directories and sockets lead to nothing outside" {
	held_saved
	make_odd_paths
	each_path uc "$OUTSIDE/secret" "$OUTSIDE" "${ODD_PATHS[@]}"
}

@test "forged paths: .., NUL and relative ones are no paths" {
	local letter place rest
	held_saved
	for letter in r d p f m i u c; do
		place=$(place_of "/v/$letter$X")
		rest=${place%:*}
		rejects 4 "" "$place=@/../../../etc/passwd"
		rejects 4 "" "$place=@/etc/.."
		rejects 4 "" "${rest%+*}+$((${rest#*+} + 20)):1=0"
		rejects 4 "" "$rest:1=@x"
	done
}

@test "forged paths: what a path leads to is said" {
	local place
	held_saved
	make_odd_paths
	place=$(place_of "/v/r$X")
	rejects 3 "open: it is a fifo now" "$place=@/fifo"
	rejects 3 "open: it is a socket now" "$place=@/socket"
	rejects 3 "open: it is a device now" "$place=@/dev/zero"
	rejects 3 "open: it is a directory now" "$place=@/v"
	rejects 3 "open: it is a symbolic link now" "$place=@/me"
	rejects 3 "open: No such file or directory" "$place=@/away/secret"
	rejects 3 "open: it is a file of a process" "$place=@/proc/self/mem"
	rejects 3 "open: Too many levels of symbolic links" "$place=@/proc/self/root/etc/passwd"
	place=$(place_of "/v/p$X")
	rejects 3 "open: it is a file of a process" "$place=@/proc/self/environ"
}

@test "forged paths: a mapping of a fifo or directory by its descriptor" {
	local fifo directory
	held_saved
	fifo=$("$FORGE" list "$IMAGE" | awk '$1 == "FIFO" { print $2; exit }')
	directory=$("$FORGE" list "$IMAGE" | awk '$1 == "DIRF" { print $2; exit }')
	rejects 4 "is no file of the image" "MAPF.0+0:4=2" "MAPF.0+8:4=$fifo"
	rejects 4 "is no file of the image" "MAPF.0+0:4=2" "MAPF.0+8:4=$directory"
	rejects 4 "is no file of the image" "MAPF.0+0:4=2" "MAPF.0+8:4=99"
}

@test "forged paths: no flag creates or cuts off a file" {
	local edit flags
	held_saved
	# O_CREAT, O_EXCL, O_TRUNC, O_TMPFILE, and all three access modes at once
	for edit in REGF.1+0:4 FIFO+0:4 DIRF+8:4 INOT+0:4 CHRD+0:4 OPTH+0:4 MAPF+4:4; do
		for flags in 0x41 0xc1 0x201 0x410001 0x3; do
			rejects 4 "" "$edit=$flags"
		done
	done
	for name in r w m s p i; do
		assert_equal "$(<"$ROOT/v/$name$X")" 0123456789
	done
}

# swapped_restores COUNT A B: restores, while A and B change places all the time.
swapped_restores() {
	local count=$1 swapper
	env -u XDG_RUNTIME_DIR "$SWAP" "$2" "$3" 2>/dev/null 3>&- &
	swapper=$!
	for ((n = 0; n < count; n++)); do
		CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore --rootfs "$ROOT" --detach \
			"$IMAGE" </dev/null
		kill -STOP "$swapper"
		[[ $status == [013] ]] || break
		((status != 0)) || holds_nothing_outside || break
		# shellcheck disable=SC2046 # no pid is no word
		kill_tasks $(container_pid "$VICTIM")
		kill -CONT "$swapper"
	done
	kill_tasks "$swapper"
	((n == count)) || fail "$2 and $3: $status: $stderr" || return
	outside_is_untouched || return
	assert_equal "$(ctckpt ps --quiet)" "" || return
	assert_equal "$(test_tasks)" ""
}

@test "forged paths: what changes places with a link during the restore is never followed" {
	held_saved
	cd "$ROOT/v" || return
	ln -s "$OUTSIDE/secret" link
	ln -s ../../outside away
	ln -s v/link "$ROOT/me"
	swapped_restores 8 "r$X" link
	swapped_restores 8 "m$X" link
	swapped_restores 4 "c$X" away
}

@test "forged paths: the same for a directory on the way" {
	OUTSIDE=$BATS_TEST_TMPDIR/outside
	mkdir -p "$OUTSIDE"
	printf '0123456789secret' >"$OUTSIDE/secret"
	root_start changed r:way/secret m:way/secret p:way/secret
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cd "$ROOT/v" || return
	ln -s ../../outside link
	swapped_restores 10 way link
}
