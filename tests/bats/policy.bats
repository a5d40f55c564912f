#!/usr/bin/env bats
# Policies in files: what plan and restore make of them.

load helper

# saved ARGUMENT...: an image of the victim, which expects that; the policy will be in $POLICY.
saved() {
	victim_start policy "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	POLICY=$BATS_TEST_TMPDIR/policy.json
}

# What a plan decided, without the rules' names.
decisions() {
	ctckpt plan --json "$@" "$IMAGE" | python3 -c 'import json, sys
for d in json.load(sys.stdin)["decisions"]:
    print(d["class"], d["id"], d["detail"], d.get("path"), d["outcome"], d.get("effective"))'
}

@test "policy: a rule substitutes a file" {
	saved substituted
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "files": [
			{"match": {"path": "$VICTIM_DIR/secret"}, "action": "substitute", "with": "/dev/null"}]}
	END
	run -0 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> substitute /dev/null  rule files[0] (the program will find another file)"
	run -0 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	victim_succeeds
}

@test "policy: what takes a file's place must open" {
	saved
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "files": [
			{"match": {"path": "$VICTIM_DIR/secret"}, "action": "substitute", "with": "/nowhere"}]}
	END
	run -3 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/secret: what should take its place can't be opened"
}

@test "policy: a rule drops a descriptor" {
	saved dropped
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "files": [{"match": {"path": "**/secret", "mode": "ro"}, "action": "drop"}]}
	END
	run -0 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	victim_succeeds
}

@test "policy: a file that is gone is substituted, if the rule says so" {
	saved substituted
	rm "$VICTIM_DIR/secret"
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "files": [{"match": {"path": "**/victim/*"},
			"action": "reopen", "on_fail": "substitute", "with": "/dev/null"}]}
	END
	run -3 ctckpt plan "$IMAGE"
	run -0 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	victim_succeeds
}

@test "policy: a rule refuses by path, and by task" {
	saved
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "files": [
			{"match": {"path": "**/secret", "task": {"comm": "other"}}, "action": "drop"},
			{"match": {"path": "**/secret", "task": {"comm": "pol*"}}, "action": "refuse"},
			{"match": {"path": "**/secret"}, "action": "drop"}]}
	END
	run -3 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> REFUSE  rule files[1] (the policy does not allow it)"
	assert_contains "$output" "    remedy: change that rule of the policy, or use another one"
	run -3 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "(policy) $VICTIM_DIR/secret: the policy does not allow it"
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "policy: nothing takes the place of what is mapped" {
	saved
	echo '{"ctckpt_policy": 1, "files": [{"match": {"path": "**/ld-linux*"}, "action": "drop"}]}' >"$POLICY"
	run -3 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "(nothing can take its place)"
}

@test "policy: limits are clamped, and one capability is kept" {
	saved limited one-capability
	cat >"$POLICY" <<-END
		{"ctckpt_policy": 1, "extends": "map",
			"rlimits": {"default": "clamp", "nofile": {"action": "clamp", "max": 70}},
			"caps": {"default": {"action": "clamp", "allow": ["net_bind_service"]}}}
	END
	run -0 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> clamp 70  rule rlimits.nofile"
	assert_contains "$output" "-> clamp net_bind_service  rule caps.default"
	run -0 ctckpt restore --detach --policy "$POLICY" "$IMAGE"
	victim_succeeds
}

@test "policy: to keep is to refuse what would be less" {
	saved
	echo '{"ctckpt_policy": 1, "rlimits": {"nofile": {"action": "keep", "max": 70}}}' >"$POLICY"
	run -3 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> REFUSE  rule rlimits.nofile (the policy does not allow less than was saved)"
}

@test "policy: a file extends another one beside it" {
	saved limited
	echo '{"ctckpt_policy": 1, "rlimits": {"default": {"action": "clamp", "max": 70}}}' \
		>"$BATS_TEST_TMPDIR/base.json"
	echo '{"ctckpt_policy": 1, "extends": "./base.json",
		"rlimits": [{"match": {"item": "nofile"}, "action": "clamp"}]}' >"$POLICY"
	run -0 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> clamp 70  rule base.json:rlimits.default"
	assert_contains "$output" "-> keep  rule rlimits[0]"
}

@test "policy: the narrowest policy gives the same plan" {
	local preset
	saved
	for preset in strict map; do
		run -0 --separate-stderr ctckpt plan --policy "$preset" --emit-policy "$IMAGE"
		echo "$output" >"$POLICY"
		run -0 ctckpt policy check "$POLICY"
		assert_equal "$output" "$POLICY: ok"
		diff <(decisions --policy "$preset") <(decisions --policy "$POLICY")
	done
	# It has the files by name.
	cp "$VICTIM_DIR/secret" "$VICTIM_DIR/secret.new"
	sed -i 's,victim/secret",victim/secret.new",' "$POLICY"
	run -3 ctckpt plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "$VICTIM_DIR/secret  "
	assert_contains "$output" "(the policy does not allow it)"
}

@test "policy: no policy is emitted for what would be refused" {
	saved
	rm "$VICTIM_DIR/secret"
	run -3 --separate-stderr ctckpt plan --emit-policy "$IMAGE"
	assert_equal "$output" ""
	assert_contains "$stderr" "$VICTIM_DIR/secret: it is not there"
}

@test "policy: restore --plan refuses what has become worse" {
	local plan=$BATS_TEST_TMPDIR/plan.json
	saved
	ctckpt plan --json "$IMAGE" >"$plan"
	run -3 bash -c 'ulimit -n 66; exec "$1" restore --detach --plan "$2" "$3"' - "$CTCKPT" "$plan" "$IMAGE"
	assert_contains "$output" "the plan does not hold any more: "
	assert_contains "$output" "TASK 1 (policy) rlimit.nofile.hard was $(ulimit -Hn) and is 66"
	assert_equal "$(ctckpt ps --quiet)" ""
	echo '{"ctckpt_policy": 1, "files": [{"match": {"path": "**/secret"}, "action": "drop"}]}' >"$POLICY"
	run -3 ctckpt restore --detach --plan "$plan" --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "TASK 1 (policy) $VICTIM_DIR/secret was reopen and is drop"
	mv "$VICTIM_DIR/secret" "$BATS_TEST_TMPDIR/kept"
	sed 's/^./x/' "$BATS_TEST_TMPDIR/kept" >"$VICTIM_DIR/secret"
	run -3 ctckpt restore --detach --plan "$plan" "$IMAGE"
	assert_contains "$output" \
		"TASK 1 (policy) $VICTIM_DIR/secret was open and is open: the file was changed since"
	mv "$BATS_TEST_TMPDIR/kept" "$VICTIM_DIR/secret"
	run -0 ctckpt restore --detach --plan "$plan" "$IMAGE"
	victim_succeeds
}

@test "policy: restore --plan wants the plan of this image" {
	local plan=$BATS_TEST_TMPDIR/plan.json
	saved
	ctckpt plan --json "$IMAGE" | sed 's/"image": "/"image": "x/' >"$plan"
	run -3 ctckpt restore --detach --plan "$plan" "$IMAGE"
	assert_contains "$output" "it is the plan of another image"
	echo '{}' >"$plan"
	run -1 ctckpt restore --detach --plan "$plan" "$IMAGE"
	assert_contains "$output" "it is not what ctckpt plan --json prints"
}

@test "policy: errors are told with line and column" {
	local file=$BATS_TEST_TMPDIR/p.json
	printf '{"ctckpt_policy": 1,\n\t"files": [{"action": "destroy"}]}' >"$file"
	run -2 --separate-stderr ctckpt policy check "$file"
	assert_equal "$output" "$file:2:23: it can be drop, substitute, reopen or refuse"
	assert_equal "$stderr" ""
	run -2 ctckpt policy prove "$file"
	assert_equal "${lines[0]}" "ctckpt: policy: prove is not known: there is check"
}

@test "policy: the manual's examples are policies" {
	python3 - "$BATS_TEST_DIRNAME/../../man/ctckpt-policy.5" "$BATS_TEST_TMPDIR" <<-'END'
		import re, sys
		page = open(sys.argv[1]).read()
		found = re.findall(r"^\.Bd -literal.*?\n(\{ \"ctckpt_policy.*?)^\.Ed", page, re.DOTALL | re.MULTILINE)
		for number, text in enumerate(found):
		    open(f"{sys.argv[2]}/example{number}.json", "w").write(text.replace(r"\e", "\\"))
	END
	[[ -e $BATS_TEST_TMPDIR/example1.json ]]
	for file in "$BATS_TEST_TMPDIR"/example*.json; do
		run -0 ctckpt policy check "$file"
		assert_equal "$output" "$file: ok"
	done
}

# two_ids: the image of a container whose first task is root, and another one is user 33.
two_ids() {
	local init
	unshare --user --map-root-user --map-auto --pid --fork --kill-child --mount --net --ipc --uts \
		--cgroup --mount-proc -- bash -c \
		'for n in /proc/$$/fd/*; do ((${n##*/} < 3)) || eval "exec ${n##*/}>&-"; done
		setpriv --reuid 33 --regid 33 --clear-groups bash -c "echo >\$1; exec sleep 1000" - "$1" &
		exec sleep 1000' - "$VICTIM_DIR/ready" </dev/null >/dev/null 2>&1 &
	"$AWAIT" -t 100 "$VICTIM_DIR/ready"
	init=$(<"/proc/$!/task/$!/children")
	run -0 ctckpt checkpoint "pid:${init% }" -o "$IMAGE"
}

@test "policy: lines say which ids become which" {
	requires user subuid
	local policy=$BATS_TEST_TMPDIR/policy.json
	victim_dir_share
	two_ids
	ids() {
		printf '{"ctckpt_policy": 1, "ids": {"uid": %s, "gid": %s}}' "$1" "${1//subuid/subgid}" >"$policy"
	}
	ids '[{"image": 0, "count": 1, "to": "invoker"}]'
	run -3 ctckpt plan --policy "$policy" "$IMAGE"
	assert_contains "$output" "REFUSE  rule strict/ids.uid (the policy has no place for this id)"
	ids '[{"image": 0, "count": 1, "to": "invoker"}, {"image": 33, "count": 1, "to": "subuid"}]'
	run -0 ctckpt restore --detach --name "$VICTIM" --policy "$policy" "$IMAGE"
	assert_equal "$(awk '{ print $1, $3 }' "/proc/$(container_pid "$VICTIM")/uid_map")" $'0 1\n33 1'
	run -0 --separate-stderr ctckpt plan --policy map --emit-policy "$IMAGE"
	echo "$output" >"$policy"
	diff <(decisions --policy map) <(decisions --policy "$policy")
}

@test "policy: a file that others could have written is not believed" {
	local dir=$BATS_TEST_TMPDIR/d
	local file=$dir/p.json
	mkdir "$dir"
	echo '{"ctckpt_policy": 1}' >"$file"
	chmod 0666 "$file"
	run -3 ctckpt policy check "$file"
	assert_equal "$output" "policy $file: others may write it"
	chmod 0644 "$file"
	chmod 0777 "$dir"
	run -3 ctckpt policy check "$file"
	assert_equal "$output" "policy $file: others may write in its directory"
	chmod 1777 "$dir"
	run -0 ctckpt policy check "$file"
	rm "$file"
	mkfifo "$file"
	run -3 ctckpt policy check "$file"
	assert_equal "$output" "policy $file: it is not a regular file"
}

# bats test_tags=root
@test "policy: a file of somebody else is not believed" {
	requires root
	local file=$BATS_TEST_TMPDIR/p.json
	echo '{"ctckpt_policy": 1}' >"$file"
	chown 1234 "$file"
	run -3 ctckpt policy check "$file"
	assert_equal "$output" "policy $file: it does not belong to the invoker or root"
}

# administered POLICY COMMAND...: where the invoker is root, and has written that as administrator.
administered() {
	unshare --user --map-root-user --mount bash -c '
		set -e
		mkdir "$1/etc"
		cp /etc/{passwd,group,nsswitch.conf} "$1/etc"
		mount --bind "$1/etc" /etc
		[[ -z $2 ]] || mkdir -m "${MODE:-755}" /etc/ctckpt
		[[ -z $2 ]] || echo "$2" >/etc/ctckpt/policy.json
		shift 2
		exec timeout 100 "$@"' - "$(mktemp -d -p "$BATS_TEST_TMPDIR")" "$@"
}

@test "policy: the administrator's file only narrows" {
	saved
	local file='{"ctckpt_policy": 1,
		"rlimits": {"nofile": {"action": "clamp", "max": 60}, "core": {"action": "clamp", "max": "unlimited"}},
		"files": [{"match": {"path": "**/secret"}, "action": "drop"}]}'
	echo '{"ctckpt_policy": 1, "files": [{"match": {"path": "**/log"}, "action": "drop"}],
		"rlimits": {"nofile": {"action": "clamp", "max": 65}, "core": {"action": "clamp", "max": 0}}}' >"$POLICY"
	run -0 administered "$file" "$CTCKPT" plan --policy "$POLICY" "$IMAGE"
	assert_contains "$output" "-> clamp 60  rule admin/rlimits.nofile"
	assert_contains "$output" "-> clamp 0  rule rlimits.core"
	assert_contains "$output" "-> drop  rule admin/files[0] (the program will see it closed)"
	assert_contains "$output" "-> drop  rule files[0] (the program will see it closed)"
	assert_contains "$output" "rule strict/caps"
}

@test "policy: a restore keeps to the administrator's file" {
	saved
	local pid
	run -3 administered '{"ctckpt_policy": 1, "rlimits": {"nofile": "refuse"}}' \
		"$CTCKPT" restore --detach "$IMAGE"
	assert_contains "$output" "rlimit.nofile"
	assert_equal "$(ctckpt ps --quiet)" ""
	run -0 administered '{"ctckpt_policy": 1, "rlimits": {"nofile": {"action": "clamp", "max": 60}}}' \
		"$CTCKPT" restore --detach "$IMAGE"
	pid=$(container_pid "$VICTIM")
	assert_equal "$(awk '/^Max open files/ { print $4, $5 }' "/proc/$pid/limits")" "60 60"
	kill_tasks "$pid"
}

@test "policy: an administrator's file that can't be believed stops everything" {
	saved
	run -3 administered '{"ctckpt_policy": 1, "x": 2}' "$CTCKPT" plan "$IMAGE"
	assert_equal "${lines[0]}" "ctckpt: plan $IMAGE: the administrator's /etc/ctckpt/policy.json:1:22: \"x\" is not known"
	MODE=777 run -3 administered '{"ctckpt_policy": 1}' "$CTCKPT" plan "$IMAGE"
	assert_equal "${lines[0]}" "ctckpt: plan $IMAGE: the administrator's policy /etc/ctckpt/policy.json: others may write in its directory"
	assert_equal "${lines[1]}" "hint: ask the administrator of this host: nothing is restored by it"
	run -0 administered '' "$CTCKPT" plan "$IMAGE"
}

@test "policy: colours on a terminal, unless they are not wanted" {
	saved
	run -0 ctckpt plan --color always "$IMAGE"
	assert_contains "$output" $'-> \e[32mkeep\e[0m  rule strict/'
	run -0 ctckpt plan "$IMAGE"
	[[ $output != *$'\e'* ]]
}
