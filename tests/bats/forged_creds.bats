#!/usr/bin/env bats
# Forged ids, capabilities, confinement and executables: refused, or what the kernel says of the
# restored tasks is what the invoker has.

load helper
load forged

# own POLICY EDIT...: the forged image is restored; $CONTAINER is its first task.
own() {
	# shellcheck disable=SC2034 # for forged.bash
	FORGED_OPTIONS=(--policy "$1")
	restores "${@:2}"
}

# What /proc says of all threads, each different line once.
status_of() {
	cat "/proc/$CONTAINER"/task/*/status | awk -v key="$1:" \
		'$1 == key { $1 = ""; print substr($0, 2) }' | sort -u
}

is_nobody_else() {
	local uid gid
	uid=$(id -u) gid=$(id -g)
	assert_equal "$(status_of Uid)" "$uid $uid $uid $uid" || return
	assert_equal "$(status_of Gid)" "$gid $gid $gid $gid" || return
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		assert_equal "$set $(status_of $set)" "$set 0000000000000000" || return
	done
	assert_equal "$(status_of NoNewPrivs)" 1 || return
	kill_tasks "$CONTAINER"
}

@test "forged creds: each id alone, of one thread, is refused" {
	local at
	requires user
	victim_saved thread
	for at in 0 4 8 12 16 20 24 28; do
		rejects 3 "only one id" "CRED.3+$at:4=1234567"
		rejects 3 "only one id" "CRED.3+$at:4=0xfffffffe"
		rejects 4 "is no id" "CRED.3+$at:4=0xffffffff"
	done
}

@test "forged creds: all ids and groups 0 are the invoker's" {
	requires user
	victim_saved idle
	own strict CRED+{0,4,8,12,16,20,24,28}:4=0
	is_nobody_else
	own map CRED+{0,4,8,12,16,20,24,28}:4=0
	assert_equal "$(status_of Uid)" "$UID $UID $UID $UID"
	[[ $(readlink "/proc/$CONTAINER/ns/user") != "$(readlink /proc/self/ns/user)" ]]
}

@test "forged creds: other ids are of the invoker's ranges, or there are none" {
	requires user subuid
	local at first count id saved
	IFS=: read -r _ first count < <(grep "^$(id -un):" /etc/subuid)
	victim_saved idle
	for at in 0 4 8 12; do
		for saved in 5 0xfffffffe; do
			own map "CRED+$at:4=$saved"
			for id in $(status_of Uid); do
				((id == UID || (id >= first && id < first + count))) || fail "uid $id"
			done
			kill_tasks "$CONTAINER"
		done
	done
}

@test "forged creds: each set of capabilities alone, and all of them" {
	local all=0x1ffffffffff
	requires user
	victim_saved idle
	own strict CRED+32:8=$all
	is_nobody_else
	own strict CRED+40:8=$all
	is_nobody_else
	rejects 4 "an effective capability that is not permitted" CRED+40:8=0 CRED+48:8=0x200000
	own strict CRED+56:8=$all
	is_nobody_else
	rejects 4 "an ambient capability that is not permitted and inheritable" \
		CRED+40:8=0 CRED+48:8=0 CRED+64:8=0x200000
	own strict CRED+{32,40,48,56,64}:8=$all
	is_nobody_else
	# In the container alone.
	own map CRED+{32,40,48,56}:8=$all
	[[ $(readlink "/proc/$CONTAINER/ns/user") != "$(readlink /proc/self/ns/user)" ]]
	assert_equal "$(status_of Uid)" "$UID $UID $UID $UID"
}

@test "forged creds: unknown capabilities and securebits" {
	local at
	victim_saved idle
	for at in 32 40 48 56 64; do
		rejects 4 "unknown bits" "CRED+$at:8=0x8000000000000000"
		rejects 4 "unknown bits" "CRED+$at:8=0x20000000000"
	done
	rejects 4 securebits CRED+72:4=0x80000000
	rejects 4 groups CRED+76:4=0x7fffffff
	rejects 4 bytes CRED+76:4=1000
}

@test "forged creds: no_new_privs cleared" {
	victim_saved idle
	own strict CONF+0:4=0
	assert_equal "$(status_of NoNewPrivs)" 1
	kill_tasks "$CONTAINER"
	rejects 4 "unknown bits" CONF+0:4=2
}

@test "forged creds: a filter that is not there, or no filter" {
	victim_saved idle
	rejects 3 "its seccomp filter is not in the image" CONF+4:4=2
	rejects 3 "" CONF+4:4=1
	rejects 4 "seccomp mode 3" CONF+4:4=3
}

@test "forged creds: a filter that was removed or replaced" {
	local profile=$BATS_TEST_TMPDIR/profile.json
	printf '%s' '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": ["sysinfo"], "action": "SCMP_ACT_ERRNO" } ] }' >"$profile"
	ctckpt run --detach --name "$VICTIM" --seccomp "$profile" -- "$BUILD/victim/idle" >/dev/null
	victim_await ready
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rejects 3 "its seccomp filter is not in the image" SECF-
	rejects 4 "it is not a filter" SECF+8:2=0xffff
	rejects 4 "" SECF+0:4=0xffffffff
	rejects 4 "" SECF+0:4=0
	# It is there for as many threads as say so, and takes nothing else from them.
	own strict CONF+4:4=0
	is_nobody_else
}

@test "forged creds: a set-id program is executed by nobody else" {
	local place record id
	requires user
	[[ -u /usr/bin/passwd ]] || skip "requires a set-id program"
	victim_saved changed "m:a-file-with-a-long-name"
	place=$(place_of "$VICTIM_DIR/a-file-with-a-long-name")
	record=${place%+*}
	id=$("$FORGE" list "$IMAGE" | awk -v n="${record#*.}" '$1 == "MAPF" && n-- == 0 { print $2 }')
	own strict "$place=@/usr/bin/passwd" "MMAP+88:4=$id" \
		"$record+24:8=$(stat -c %s /usr/bin/passwd)" \
		"$record+32:8=$(stat -c %Y /usr/bin/passwd)" \
		"$record+40:4=$((10#$(date -r /usr/bin/passwd +%N)))"
	assert_equal "$(readlink "/proc/$CONTAINER/exe")" "$(readlink -f /usr/bin/passwd)"
	is_nobody_else
	# The file as it was saved is no program.
	rejects 3 "it may not be executed" "MMAP+88:4=$id"
}

@test "forged creds: an executable that is none" {
	local place record size
	victim_saved changed
	place=$(place_of "$BUILD/victim/changed")
	record=${place%+*}
	rejects 3 "it may not be executed" "$place=@/etc/passwd"
	rejects 3 "another build" "$place=@$(readlink -f /usr/bin/env)"
	rejects 3 "another build" "$record+56:1=0xff"
	rejects 4 "build-id of 65 bytes" "$record+48:4=65"
	rejects 4 "behind build-id" "$record+48:4=1"
	size=$("$FORGE" get "$IMAGE" "$record+24:4")
	rejects 3 "the file was truncated" "$record+24:8=$((size + 1))"
	rejects 4 "no executable" MMAP+88:4=0
	rejects 4 "is not in the image" MMAP+88:4=0x7fffffff
}
