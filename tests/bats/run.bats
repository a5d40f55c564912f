#!/usr/bin/env bats
# ctckpt run, ps and the statuses they end with.

# bats file_tags=cgroup

load helper

@test "run: the command's status is passed through" {
	run -7 ctckpt run -- sh -c 'exit 7'
	run -0 ctckpt run true
}

@test "run: death by a signal is 128 and its number" {
	# An init cannot kill itself: only who stands outside of its namespace can.
	ctckpt run --name "$VICTIM" --pid-file "$BATS_TEST_TMPDIR/pid" -- sleep 1000 &
	local foreground=$! status=0
	"$AWAIT" -t 100 "$BATS_TEST_TMPDIR/pid"
	kill -KILL "$(<"$BATS_TEST_TMPDIR/pid")"
	wait "$foreground" || status=$?
	assert_equal "$status" 137
}

@test "run: a command that is not there is 127" {
	run -127 --separate-stderr ctckpt run /no/such/command
	assert_contains "$stderr" "/no/such/command"
	run -127 ctckpt run no-such-command-anywhere
}

@test "run: a command that cannot be executed is 126" {
	: >"$BATS_TEST_TMPDIR/text"
	run -126 --separate-stderr ctckpt run "$BATS_TEST_TMPDIR/text"
	assert_contains "$stderr" "Permission denied"
}

@test "run: standard input and output are the command's" {
	run -0 bash -c 'echo hello | timeout 100 "$1" run -- tr a-z A-Z' - "$CTCKPT"
	assert_equal "$output" "HELLO"
}

@test "run: the command is the first task of a pid namespace of its own" {
	run -0 ctckpt run -- sh -c 'echo $$; readlink /proc/self/ns/pid'
	assert_equal "${lines[0]}" 1
	[[ ${lines[1]} != "$(readlink /proc/self/ns/pid)" ]]
}

@test "run: a host name of its own" {
	run -0 ctckpt run --hostname bertha -- uname -n
	assert_equal "$output" bertha
	[[ $(uname -n) != bertha ]]
}

@test "run: with --userns keep-id the ids are those outside" {
	run -0 ctckpt run --userns keep-id -- sh -c 'id -u; id -g'
	assert_equal "${lines[0]} ${lines[1]}" "$(id -u) $(id -g)"
}

@test "run: with --userns auto there are subordinate ids" {
	requires user subuid
	run -0 ctckpt run --userns auto -- awk '{ n += $3 } END { print (n > 1) " " ($1 > 0) }' /proc/self/uid_map
	assert_equal "$output" "1 1"
}

@test "run: other user namespaces are a wrong usage" {
	run -2 --separate-stderr ctckpt run --userns host -- true
	assert_contains "$stderr" "--userns host: it is keep-id or auto"
}

@test "run: detached containers are listed, and gone when they end" {
	victim_start idle
	run -0 ctckpt ps
	assert_contains "$output" "$VICTIM"
	run -0 ctckpt ps --quiet
	assert_equal "$output" "$VICTIM"
	victim_succeeds
	run -0 ctckpt ps --quiet
	assert_equal "$output" ""
}

@test "run: a pid file has the outer pid of the first task" {
	container_start "$VICTIM" sleep 1000
	run -0 ctckpt run --detach --name "$VICTIM-2" --pid-file "$BATS_TEST_TMPDIR/pid" sleep 1000
	assert_equal "$output" "$VICTIM-2"
	assert_equal "$(<"$BATS_TEST_TMPDIR/pid")" "$(container_pid "$VICTIM-2")"
}

@test "run: a name in use, or that is none, is refused" {
	container_start "$VICTIM" sleep 1000
	run -1 --separate-stderr ctckpt run --detach --name "$VICTIM" sleep 1000
	assert_contains "$stderr" "$VICTIM"
	local name
	for name in .. a/b "" "$(printf 'x%.0s' {1..65})" -x; do
		run ctckpt run --detach --name="$name" sleep 1000
		((status == 1 || status == 2)) || fail "the name '$name' was taken"
	done
}

@test "run: ps as JSON" {
	container_start "$VICTIM" sleep 1000
	run -0 ctckpt ps --json
	assert_contains "$output" "\"name\": \"$VICTIM\""
}

@test "run: volumes, read-only ones too, and file systems in memory" {
	load roots
	root_make "$(command -v busybox)"
	mkdir "$BATS_TEST_TMPDIR/data"
	echo text >"$BATS_TEST_TMPDIR/data/file"
	run -0 ctckpt run --rootfs "$ROOT" --volume "$BATS_TEST_TMPDIR/data:/a/b" \
		--volume "$BATS_TEST_TMPDIR/data/file:/c:ro" --tmpfs /m -- \
		/bin/busybox sh -c 'cat /a/b/file /c && echo x >/m/y && echo new >/a/b/new && ! echo x >/c'
	assert_contains "$output" "text"$'\n'"text"
	assert_contains "$output" "Read-only file system"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/data/new")" "new"
}

@test "run: volumes that cannot be are usage errors" {
	run -2 ctckpt run --volume /tmp -- true
	assert_contains "$output" "/tmp cannot be mounted"
	run -2 ctckpt run --volume /tmp:/x/../y -- true
	run -2 ctckpt run --tmpfs relative -- true
	run -2 ctckpt run --tmpfs /mnt --volume /tmp:/mnt/ -- true
	assert_contains "$output" "two mounts on /mnt"
	run -1 ctckpt run --volume /no/where:/mnt -- true
	assert_contains "$output" "volume /no/where: No such file or directory"
}

@test "run: a link in the root directory is no mount point" {
	load roots
	root_make "$(command -v busybox)"
	ln -s /tmp "$ROOT/link"
	run -1 ctckpt run --rootfs "$ROOT" --tmpfs /link -- /bin/busybox true
	assert_contains "$output" "mount point /link: Not a directory"
}
