#!/usr/bin/env bats
# Whatever cannot be saved is named, all at once.

load helper

# refuses SENTENCE...: of the container that runs.
refuses() {
	local sentence
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	for sentence; do
		assert_contains "$stderr" "$sentence"
	done
}

@test "refused: descriptors" {
	victim_start refused descriptors
	refuses "UDP that carries another protocol is not supported" \
		"a UDP socket with datagrams that may be joined (UDP_GRO)" \
		"a socket with an error that was not yet read is not supported" \
		"a multicast group with sources of its own is not supported" \
		"a TCP socket in repair mode is not supported" \
		"access mode 3 is not supported (/dev/null)" \
		"a memfd of huge pages is not supported" \
		"inotify in flight is not supported"
	[[ -e $VICTIM_DIR/no-fanotify ]] ||
		assert_contains "$stderr" "fanotify in flight is not supported"
}

@test "refused: memory, timers, signals and root directories of tasks" {
	victim_start refused tasks
	refuses "a pending SIGTRAP cannot be saved" "which has no owner here" \
		"its root directory /tmp is not the container's"
	assert_equal "$(grep -o "was cut, protected or advised" <<<"$stderr" | wc -l)" 3
}

@test "refused: corks, timers of threads that are gone, directories, a lonely connection" {
	victim_start refused more
	refuses "a UDP socket with a datagram that is not whole yet" \
		"notifies a thread that is gone" \
		"is gone, in a mount namespace of its own" \
		"a TCP connection to itself is not supported"
	[[ -e $VICTIM_DIR/no-table ]] ||
		assert_contains "$stderr" "a local descriptor table is not supported"
}

@test "refused: mappings" {
	victim_start refused mappings
	refuses "(socket:["
	assert_contains "$stderr" "): device memory is not supported"
	[[ -e $VICTIM_DIR/no-seal ]] || assert_contains "$stderr" "a sealed mapping is not supported"
}

@test "refused: memory that is only executed, beside protection keys" {
	victim_start refused code
	[[ ! -e $VICTIM_DIR/no-keys ]] || skip "requires the kernel's pkeys"
	refuses "memory that is only executed, beside protection keys of the program's own, is not supported"
}

@test "refused: a container whose only process has lost its main thread" {
	victim_start refused alone
	refuses "the main thread has ended, and others have not"
	victim_succeeds
}
