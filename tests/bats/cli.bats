#!/usr/bin/env bats
# The command line itself: what it says and with which status it ends.

load helper

commands() {
	ctckpt --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# The long options of a command, as --help shows them.
options() {
	ctckpt "$1" --help | sed -nE 's/^  (-.,|   ) (--[a-z-]+).*/\2/p' | sort
}

@test "cli: without a command is a usage error" {
	run -2 --separate-stderr ctckpt
	assert_equal "$output" ""
	assert_equal "${stderr_lines[0]}" "ctckpt: a command is needed"
	assert_equal "${stderr_lines[1]}" "hint: ctckpt --help lists what there is"
}

@test "cli: unknown words are usage errors that name them" {
	run -2 ctckpt frobnicate
	assert_equal "${lines[0]}" "ctckpt: there is no command frobnicate"
	run -2 ctckpt restore --frob image
	assert_equal "${lines[0]}" "ctckpt: there is no option --frob"
	assert_equal "${lines[1]}" "hint: ctckpt restore --help lists what there is"
	run -2 ctckpt restore -Z image
	assert_equal "${lines[0]}" "ctckpt: there is no option -Z"
	run -2 ctckpt checkpoint x --compress=gzip
	assert_equal "${lines[0]}" "ctckpt: --compress: gzip is not known"
	assert_equal "${lines[1]}" "hint: it can be none, lz4, zstd"
}

@test "cli: operands are counted" {
	run -2 ctckpt restore
	assert_equal "${lines[0]}" "ctckpt: restore needs IMAGE"
	run -2 ctckpt restore one two
	assert_equal "${lines[0]}" "ctckpt: two is one operand too many"
}

@test "cli: options may stand behind operands, and after -- is none" {
	run -2 ctckpt restore one -- --two
	assert_equal "${lines[0]}" "ctckpt: --two is one operand too many"
	run -0 ctckpt restore one --help
	assert_contains "$output" "Usage: ctckpt restore"
}

@test "cli: what contradicts is refused" {
	run -2 ctckpt checkpoint x --leave-running --leave-stopped
	assert_equal "${lines[0]}" "ctckpt: --leave-stopped contradicts an option before it"
}

@test "cli: errors as JSON" {
	run -2 --separate-stderr ctckpt --json restore
	assert_equal "$output" ""
	assert_contains "$stderr" '"error": "restore needs IMAGE"'
	assert_contains "$stderr" '"status": 2'
}

@test "cli: version" {
	run -0 ctckpt --version
	[[ $output =~ ^ctckpt\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "cli: output that cannot be written is a failure" {
	run -1 bash -c '"$1" kinds >/dev/full' - "$CTCKPT"
	assert_equal "$output" "ctckpt: kinds: write to standard output: No space left on device"
}

@test "cli: what a terminal could obey is escaped" {
	run -1 --separate-stderr ctckpt verify $'no\e[31m\xffsuch\u202e'
	assert_contains "$stderr" 'no\x1b[31m\xffsuch\xe2\x80\xae'
}

@test "cli: every command has help and a manual page with just its options" {
	local command page common
	common=$(options kinds)
	for command in $(commands); do
		page=$BATS_TEST_DIRNAME/../../man/ctckpt-$command.1
		[[ -e $page ]] || fail "ctckpt-$command.1 is missing"
		diff <(options "$command" | comm -23 - <(echo "$common")) \
			<(grep -E '^\.It Fl' "$page" | grep -oE 'Fl -[a-z-]+' | sed 's/^Fl -/--/' | sort) ||
			fail "ctckpt-$command.1 has other options than the command"
		grep -q "ctckpt-$command 1" "$BATS_TEST_DIRNAME/../../man/ctckpt.1" ||
			fail "ctckpt.1 does not name ctckpt-$command"
	done
	diff <(echo "$common") <(grep -E '^\.It Fl' "$BATS_TEST_DIRNAME/../../man/ctckpt.1" |
		grep -oE 'Fl -[a-z-]+' | sed 's/^Fl -/--/' | sort)
}

@test "cli: completion offers commands, options and words" {
	complete_line() {
		bash -c 'source <("$1" completion bash); shift
			COMP_WORDS=(ctckpt "$@"); COMP_CWORD=$#; _ctckpt; echo "${COMPREPLY[@]}"' \
			- "$CTCKPT" "$@"
	}
	assert_equal "$(complete_line ver)" "verify"
	assert_equal "$(complete_line checkpoint --leave-r)" "--leave-running"
	assert_equal "$(complete_line checkpoint x --compress z)" "zstd"
}

@test "cli: --progress-fd must be open" {
	run -2 ctckpt restore --progress-fd 77 image
	assert_equal "${lines[0]}" "ctckpt: --progress-fd: descriptor 77 is not open"
}

@test "cli: kinds says what this host can do of each" {
	run -0 ctckpt kinds
	[[ ${lines[0]} =~ ^[a-z_]+\ +container\ +yes\  ]]
	run -0 ctckpt kinds --json
	assert_equal "$(grep -c '"here":' <<<"$output")" "$(grep -c '"name":' <<<"$output")"
	assert_contains "$output" '"here": true'
}
