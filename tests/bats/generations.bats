#!/usr/bin/env bats
# A container that is checkpointed and restored again and again must not change by it.

# bats file_tags=cgroup

load helper

# What the container's tasks are made of, without what differs by nature: outer pids, the kernel's
# own numbers, and that a log was opened with O_NOFOLLOW.
describe() {
	local pid task fd
	pid=$(container_pid "$VICTIM")
	for task in "/proc/$pid/task/"*; do
		awk '{ print $1, $2, $NF }' "$task/maps"
		grep -E '^(Name|Umask|Uid|Gid|Sig[BIC]|Threads)' "$task/status"
		for fd in "$task/fd/"*; do
			printf '%s %s\n' "${fd##*/}" "$(readlink "$fd" | sed 's/:\[[0-9]*\]$//')"
			grep -E '^(pos|flags)' "$task/fdinfo/${fd##*/}" | sed 's/^\(flags:.0\)5/\11/'
		done
	done
	cat "/proc/$pid/timers"
	tr '\0' '\n' <"/proc/$pid/environ"
	tr '\0' '\n' <"/proc/$pid/cmdline"
}

# What the policy may lower once, and then no more.
describe_confinement() {
	local pid
	pid=$(container_pid "$VICTIM")
	grep -E '^(Groups|Cap|NoNewPrivs|Seccomp)' "/proc/$pid/status"
	cat "/proc/$pid/limits"
}

assert_alike() {
	diff <(echo "$1") <(echo "$2") || fail "$3 is not like the first"
}

@test "generations: ten of them are alike" {
	local generation first confined
	victim_start idle
	first=$(describe)
	for generation in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
		: "${confined:=$(describe_confinement)}"
		assert_alike "$first" "$(describe)" "generation $generation"
		assert_alike "$confined" "$(describe_confinement)" "confinement $generation"
	done
	victim_succeeds
}

@test "generations: images do not grow" {
	local generation first last
	victim_start idle
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	first=$(stat -c %s "$IMAGE.1") last=$(stat -c %s "$IMAGE.3")
	((last <= first + 16384)) || fail "from $first to $last bytes"
	victim_succeeds
}
