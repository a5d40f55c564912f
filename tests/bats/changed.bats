#!/usr/bin/env bats
# Files of the host that are not what they were when the image was made: what the plan says of each,
# and that the restore does the same.

load helper
load roots

# changed_saved HELD...: see tests/victim/changed.c
changed_saved() {
	victim_start changed "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cd "$VICTIM_DIR" || return
}

# says NAME TEXT: the plan in $output has one line about opening the file, and it says this.
says() {
	local lines
	lines=$(grep -F " $VICTIM_DIR/$1 " <<<"$output" | grep -F " rule strict/files" | tr -s ' ')
	assert_equal "${lines#*"$VICTIM_DIR/$1 "}" "$2"
}

refused() {
	says "$1" "saved $2 invoker open: $3 -> REFUSE rule strict/files ($4)"
}

reopened() {
	says "$1" "saved $2 invoker open$3 -> reopen rule strict/files"
}

restore_refuses() {
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "$1"
	assert_equal "$(ctckpt ps --quiet)" ""
	assert_equal "$(test_tasks)" ""
}

@test "changed: gone, renamed, replaced, cut off: each is refused, and says why" {
	local name other="it can't be opened as it was"
	changed_saved r:gone w:renamed r:link r:dir r:fifo r:socket w:short d:nodir d:filedir \
		d:linkdir p:place f:fifofile f:fifodir m:mapshort m:mapgone m:mapfifo s:shared \
		i:watchgone i:watchlink u:sockfile r:in/parentgone r:up/parentfile
	rm gone mapgone mapfifo watchgone shared
	mv renamed else
	rm link && ln -s else link
	rm dir && mkdir dir
	rm fifo && mkfifo fifo mapfifo
	rm socket && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
	truncate -s 4 short
	truncate -s 9 mapshort
	rmdir nodir filedir linkdir
	: >filedir
	mkdir real && ln -s real linkdir
	mv place moved && ln -s moved place
	rm fifofile fifodir && : >fifofile && mkdir fifodir
	mv watchlink watched && ln -s watched watchlink
	rm sockfile && : >sockfile
	rm -r in up && : >up
	run -3 ctckpt plan "$IMAGE"
	refused gone read "No such file or directory" "it is not there"
	refused renamed "read and write" "No such file or directory" "it is not there"
	refused link read "it is a symbolic link now" "$other"
	refused dir read "it is a directory now" "$other"
	refused fifo read "it is a fifo now" "$other"
	refused socket read "it is a socket now" "$other"
	refused short "read and write" "it has been truncated below the saved position" "$other"
	refused nodir read "No such file or directory" "it is not there"
	refused filedir read "it is a regular file now" "$other"
	refused linkdir read "it is a symbolic link now" "$other"
	refused place "look up" "it is a symbolic link now" "$other"
	refused fifofile "read and write" "it is a regular file now" "$other"
	refused fifodir "read and write" "it is a directory now" "$other"
	refused mapshort read "the file was truncated: 10 bytes then, 9 now" "$other"
	refused mapgone read "No such file or directory" "it is not there"
	refused mapfifo read "it is a fifo now" "$other"
	refused shared "read and write" "No such file or directory" "it is not there"
	refused watchgone read "No such file or directory" "it is not there"
	refused watchlink read "it is a symbolic link now" "$other"
	refused sockfile "read and write" "it is no socket" "something else is in its place"
	refused in/parentgone read "No such file or directory" "it is not there"
	refused up/parentfile read "Not a directory" "it is not there"
	restore_refuses "22 refusals"
	for name in gone renamed link dir; do
		assert_contains "$stderr" "$VICTIM_DIR/$name: "
	done
}

@test "changed: what the invoker may no longer open is refused" {
	requires user
	local denied="Permission denied" reason="the invoker may not open it"
	changed_saved r:read w:write a:append d:directory f:fifo m:mapped s:shared i:watched \
		r:shut/file p:shut/place c:cwd
	chmod 0200 read mapped watched
	chmod 0444 write append fifo shared
	chmod 0300 directory
	chmod 0644 shut/file
	chmod 0600 shut
	chmod 0600 cwd
	run -3 ctckpt plan "$IMAGE"
	refused read read "$denied" "$reason"
	refused write "read and write" "$denied" "$reason"
	refused append "read and write" "$denied" "$reason"
	refused directory read "$denied" "$reason"
	refused fifo "read and write" "$denied" "$reason"
	refused mapped read "$denied" "$reason"
	refused shared "read and write" "$denied" "$reason"
	refused watched read "$denied" "$reason"
	refused shut/file read "$denied" "$reason"
	refused shut/place "look up" "$denied" "$reason"
	refused cwd "work in" "$denied" "$reason"
	restore_refuses "11 refusals"
	chmod 0755 shut
}

# as_another COMMAND...: as root over the invoker's range of ids.
as_another() {
	unshare --user --map-root-user --map-auto "$@"
}

@test "changed: a readable file below another's private directory is refused" {
	requires user subuid
	local reason="the invoker may not open it"
	changed_saved r:theirs/file w:given r:shown m:theirs/mapped
	chmod 0644 theirs/file
	chmod 0700 theirs
	chmod 0644 given shown
	as_another chown 7:7 theirs given shown
	run -3 ctckpt plan "$IMAGE"
	refused theirs/file read "Permission denied" "$reason"
	refused theirs/mapped read "Permission denied" "$reason"
	refused given "read and write" "Permission denied" "$reason"
	reopened shown read ""
	restore_refuses "3 refusals"
	as_another rm -r theirs
}

@test "changed: a file system that became read-only is refused" {
	changed_saved r:read w:write
	run -3 unshare --user --map-root-user --mount sh -c 'mount --bind "$1" "$1" &&
		mount -o remount,bind,ro "$1" && "$2" plan "$3"' - "$VICTIM_DIR" "$CTCKPT" "$IMAGE"
	reopened read read ""
	refused write "read and write" "Read-only file system" "its file system is read-only"
}

@test "changed: a file system that became noexec is refused for programs" {
	cp "$BUILD/victim/changed" "$VICTIM_DIR/program"
	command_start "$VICTIM_DIR/program" m:mapped
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 unshare --user --map-root-user --mount sh -c 'mount --bind "$1" "$1" &&
		mount -o remount,bind,noexec "$1" && "$2" plan "$3"' - \
		"$VICTIM_DIR" "$CTCKPT" "$IMAGE"
	reopened mapped read ""
	refused program read "its file system is mounted noexec" "the invoker may not open it"
}

@test "changed: what is still the same file by its name goes on, and differences are said" {
	local before=" 56789"
	changed_saved r:same r:longer r:written r:shorter w:other a:appended a:cut r:hardlink r:mode \
		d:newdir m:maplonger m:mapwritten s:sharedlonger r:in/parentlink i:rewatched f:newfifo \
		p:newplace c:cwd r:$'new\nline'
	printf more >>longer
	printf more >>$'new\nline'
	printf abcdefghij >written
	touch -d 2001-01-01 written
	truncate -s 7 shorter
	truncate -s 3 cut
	cp -a other copy && mv copy other
	printf x >>appended
	ln hardlink another
	chmod 0400 mode
	rmdir newdir && mkdir newdir
	printf more >>maplonger
	printf abcdefghij >mapwritten
	touch -d 2001-01-01 mapwritten
	printf more >>sharedlonger
	mv in moved && ln -s moved in
	rm rewatched && : >rewatched
	rm newfifo && mkfifo newfifo
	rm newplace && : >newplace
	rmdir cwd && mkdir cwd
	run -0 ctckpt plan "$IMAGE"
	reopened same read ""
	reopened longer read ": the file was appended to: 10 bytes then, 14 now"
	reopened written read ": the file was changed since"
	reopened shorter read ": the file was truncated: 10 bytes then, 7 now"
	reopened other "read and write" ""
	reopened appended "read and write" ": the file was appended to: 10 bytes then, 11 now"
	reopened cut "read and write" ": the file was truncated: 10 bytes then, 3 now"
	reopened hardlink read ""
	reopened mode read ""
	reopened newdir read ""
	reopened maplonger read ": the file was appended to: 10 bytes then, 14 now"
	reopened mapwritten read ": the file was changed since"
	reopened sharedlonger "read and write" ""
	reopened in/parentlink read ": by way of a symbolic link"
	reopened rewatched read ""
	reopened newfifo "read and write" ""
	reopened newplace "look up" ""
	reopened cwd "work in" ""
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_contains "$stderr" "file $VICTIM_DIR/longer: the file was appended to: 10 bytes then, 14 now"
	assert_contains "$stderr" "file $VICTIM_DIR/written: the file was changed since"
	assert_contains "$stderr" "file $VICTIM_DIR/new\\x0aline: the file was appended to: 10 bytes then, 14 now"
	assert_contains "$stderr" "mapped file $VICTIM_DIR/mapwritten: the file was changed since"
	assert_contains "$stderr" "$VICTIM_DIR/in/parentlink is found by way of a symbolic link"
	victim_succeeds
	assert_equal "$(grep -E '^(same|other|mode|hardlink|in/parentlink) ' seen | cut -d ' ' -f 2 |
		sort -u)" "${before# }"
	assert_contains "$(<seen)" "longer 56789more"
	assert_contains "$(<seen)" "written fghij"
	assert_contains "$(<seen)" "shorter 56
"
	assert_contains "$(<seen)" "mapwritten abcdefghij"
}

@test "changed: a file that was moved to another file system, by a link of its directory" {
	requires small-fs
	changed_saved r:in/file
	rm -rf "$CTCKPT_TEST_SMALL/in"
	cp -a in "$CTCKPT_TEST_SMALL/" && rm -r in && ln -s "$CTCKPT_TEST_SMALL/in" in
	run -0 ctckpt plan "$IMAGE"
	reopened in/file read ": by way of a symbolic link"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
	rm -r "$CTCKPT_TEST_SMALL/in"
}

@test "changed: a current directory that is gone, a file, a link" {
	changed_saved c:cwd
	rmdir cwd
	run -3 ctckpt plan "$IMAGE"
	refused cwd "work in" "No such file or directory" "it is not there"
	: >cwd
	run -3 ctckpt plan "$IMAGE"
	refused cwd "work in" "it is a regular file now" "it can't be opened as it was"
	rm cwd && ln -s . cwd
	run -3 ctckpt plan "$IMAGE"
	refused cwd "work in" "it is a symbolic link now" "it can't be opened as it was"
	restore_refuses "$VICTIM_DIR/cwd: it can't be opened as it was"
}

@test "changed: an executable: touched goes on, replaced or not executable is refused" {
	cp "$BUILD/victim/changed" "$VICTIM_DIR/program"
	command_start "$VICTIM_DIR/program"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cd "$VICTIM_DIR" || return
	chmod 0644 program
	run -3 ctckpt plan "$IMAGE"
	refused program read "it may not be executed" "the invoker may not open it"
	chmod 0755 program
	mv program kept && cp "$BUILD/victim/idle" program
	run -3 ctckpt plan "$IMAGE"
	refused program read "the program file is another build than the saved one" \
		"it can't be opened as it was"
	restore_refuses "$VICTIM_DIR/program: it can't be opened as it was"
	# The same build, set-id: nobody becomes more by it.
	mv kept program
	touch -d 2001-01-01 program
	chmod 6755 program
	run -0 ctckpt plan "$IMAGE"
	reopened program read ""
	assert_contains "$(tr -s ' ' <<<"$output")" \
		"$VICTIM_DIR/program saved set-id executable invoker - -> drop rule strict/setid"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_equal "$(grep -E '^(Uid|CapPrm):' "/proc/$(container_pid "$VICTIM")/status" | tr -s '\t' ' ')" \
		"Uid: $UID $UID $UID $UID
CapPrm: 0000000000000000"
	victim_succeeds
}

@test "changed: a program without a build-id is known by its size and time only" {
	requires cmd-objcopy
	objcopy --remove-section .note.gnu.build-id "$BUILD/victim/changed" "$VICTIM_DIR/program"
	command_start "$VICTIM_DIR/program"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cd "$VICTIM_DIR" || return
	cp -a program copy && mv copy program
	run -0 ctckpt plan "$IMAGE"
	reopened program read ""
	touch -d 2001-01-01 program
	run -3 ctckpt plan "$IMAGE"
	refused program read "the file was changed since" "it can't be opened as it was"
}

@test "changed: a link that leads out of the root directory leads nowhere" {
	root_start changed r:in/file d:dir c:cwd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cd "$VICTIM_DIR" || return
	mkdir "$BATS_TEST_TMPDIR/outside"
	cp in/file "$BATS_TEST_TMPDIR/outside/"
	for target in "$BATS_TEST_TMPDIR/outside" ../../outside ../../../../../../../../..; do
		rm -r in && ln -s "$target" in
		run -3 ctckpt plan --rootfs "$ROOT" "$IMAGE"
		assert_contains "$(tr -s ' ' <<<"$output")" \
			" /v/in/file saved read invoker open: No such file or directory -> REFUSE"
		run -3 ctckpt restore --rootfs "$ROOT" --detach "$IMAGE"
		assert_contains "$output" "/v/in/file: it is not there"
	done
}

# Whatever the modes say, the container's root may open what belongs to ids of its ranges; so may the
# invoker, by becoming it.
@test "changed: what ids of the container's ranges own is opened by its root, and nothing else" {
	requires user subuid
	local plan
	local size
	ctckpt run --userns auto --detach --name "$VICTIM" --log "$VICTIM_DIR/log" -- \
		"$BUILD/victim/changed" w:own r:sub r:in/below
	victim_await ready
	cd "$VICTIM_DIR"
	chmod 0400 own
	as_another chmod 0600 sub
	as_another chown 33:33 sub in
	as_another chmod 0700 in
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# In one's own name, modes count.
	run -3 ctckpt plan "$IMAGE"
	refused own "read and write" "Permission denied" "the invoker may not open it"
	run -0 ctckpt plan --policy map "$IMAGE"
	plan=$(tr -s ' ' <<<"$output")
	assert_contains "$plan" "/own saved read and write invoker open: as the container's root -> reopen"
	assert_contains "$plan" "/sub saved read invoker open: as the container's root -> reopen"
	assert_contains "$plan" "/in/below saved read invoker open: as the container's root -> reopen"
	assert_equal "$(grep -c "as the container's root" <<<"$output")" 3
	# Others' ids are not in the ranges.
	size=$(("$("$BUILD/tests/forge" list "$IMAGE" | awk '$1 == "REGF" { print $4; exit }')" - 121))
	"$BUILD/tests/forge" edit "$IMAGE" "$IMAGE.forged" "REGF+120:$size=@/etc/shadow"
	run -3 ctckpt plan --policy map "$IMAGE.forged"
	assert_contains "$(tr -s ' ' <<<"$output")" "etc/shadow saved write invoker open: Permission denied -> REFUSE"
	run -0 ctckpt restore --policy map --detach "$IMAGE"
	victim_succeeds
	assert_equal "$(sort "$VICTIM_DIR/seen")" $'in/below 56789\nown 56789\nsub 56789'
	as_another rm -r in
}
