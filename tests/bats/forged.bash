# Images whose checksums are right, and whose content is a lie.

# shellcheck disable=SC2034 # variables for the tests

FORGE=$BUILD/tests/forge
EVIL=
# More options of restore.
FORGED_OPTIONS=()

setup() {
	test_setup
	EVIL=$BATS_TEST_TMPDIR/forged.ckpt
}

# victim_saved NAME [ARGUMENT...]: its image is $IMAGE.
victim_saved() {
	victim_start "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
}

forge() {
	"$FORGE" edit "$IMAGE" "$EVIL" "$@" || fail "cannot forge $*"
}

restore_forged() {
	CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore "${FORGED_OPTIONS[@]}" --detach \
		"$EVIL" </dev/null
}

# rejects STATUSES TEXT EDIT...: a restore of the forged image ends with one of these statuses, and
# says so.
rejects() {
	local statuses=$1 text=$2
	shift 2
	forge "$@" || return
	restore_forged
	[[ $statuses == *"$status"* ]] || fail "$* ends with $status: $stderr" || return
	[[ $stderr == "ctckpt: restore "*"$text"* ]] || fail "$* says: $stderr" || return
	assert_equal "$(ctckpt ps --quiet)" ""
	assert_equal "$(test_tasks)" ""
}

# restores EDIT...: it is taken; $CONTAINER is its first task.
restores() {
	forge "$@" || return
	restore_forged
	assert_equal "$status" 0 || fail "$* says: $stderr" || return
	CONTAINER=$(container_pid "$VICTIM")
}

# accepts EDIT...: whatever it does to itself, it does in its container.
accepts() {
	restores "$@" || return
	# shellcheck disable=SC2086 # no pid is no word
	kill_tasks $CONTAINER
}

length_of() {
	"$FORGE" list "$IMAGE" | awk -v tag="$1" -v n="${2:-0}" '$1 == tag && n-- == 0 { print $4 }'
}

# body_of TAG: where its first record's body starts in the image.
body_of() {
	"$FORGE" list "$IMAGE" | awk -v tag="$1" '$1 == tag { print $3; exit }'
}

# text_in TAG TEXT: where in the body of its first record the text is.
text_in() {
	local at
	at=$(grep -abo -m 1 -F "$2" "$IMAGE" | head -n 1 | cut -d : -f 1)
	echo $((at - $(body_of "$1")))
}

# place_of TEXT: TAG.N+OFFSET:BYTES of the text in the first record that has it.
place_of() {
	local at found
	grep -abo -F "$1" "$IMAGE" | cut -d : -f 1 >"$BATS_TEST_TMPDIR/places"
	while read -r at; do
		found=$("$FORGE" list "$IMAGE" | awk -v at="$at" -v size="${#1}" '
			{ n = count[$1]++ }
			at >= $3 && at < $3 + $4 { print $1 "." n "+" at - $3 ":" size }')
		[[ -z $found ]] || break
	done <"$BATS_TEST_TMPDIR/places"
	[[ -n $found ]] || fail "$1 is in no record" || return
	echo "$found"
}
