#!/usr/bin/env bats
# Programs that people run, checkpointed in the middle of their work.

# bats file_tags=cgroup

load helper

# comes_back PROGRAM: it works while it is checkpointed, and is found at work after the restore.
comes_back() {
	program_start "$1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$output" "$VICTIM"
	victim_succeeds
}

@test "programs: python with threads, a file and a subprocess" {
	requires cmd-python3
	comes_back count.py
}

@test "programs: a bash pipeline with background jobs" {
	comes_back pipeline.bash
}

@test "programs: sqlite3 in a transaction fed by a FIFO" {
	requires cmd-sqlite3
	comes_back transaction.bash
}

@test "programs: tail -F, which is told by inotify" {
	requires cmd-tail
	comes_back follow.bash
}

@test "programs: perl with signals and timers" {
	requires cmd-perl
	comes_back timers.pl
}

@test "programs: a shell on a terminal with an editor in it" {
	requires cmd-python3 cmd-vi
	comes_back shell.py
}

@test "programs: a hundred threads on futexes" {
	comes_back threads
}

@test "programs: a tree of two hundred processes" {
	comes_back tree
}

@test "programs: python with workers, pipes and a manager" {
	requires cmd-python3
	comes_back workers.py
}
