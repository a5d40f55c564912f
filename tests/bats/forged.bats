#!/usr/bin/env bats
# Images whose checksums are right, and whose content is a lie: a status and a sentence; no task is
# left, and nothing outside of the container is touched.
#
# What an enemy may write, and where it is held. P: forged_paths.bats, C: forged_creds.bats,
# F: this file, H: changed.bats, D: damage.bats, U: tests/unit. What a target may be called is in
# names.bats.
#
#   paths with "..", NUL, relative           P ".., NUL and relative ones are no paths"
#   longer than PATH_MAX                     U descriptors: paths, opens_no_process
#   absolute paths of the host, links out    P "lead to nothing outside" (for each kind that has a
#                                            path), H "a link that leads out of the root directory"
#   links that change while it is opened     P "changes places with a link", "a directory on the way"
#   /proc/self/root, /proc/PID/fd/N          P "lead to nothing outside", F "a file by another way",
#                                            F "files of processes"
#   0644 below 0700                          H "below another's private directory"
#   fifos, devices, sockets, directories     P "what a path leads to is said", H "gone, renamed, ..."
#   a fifo in disguise                       P "a mapping of a fifo or directory by its descriptor"
#   O_TRUNC, O_CREAT                         P "no flag creates or cuts off a file"
#   each of r/e/s/fs ids, of one thread      C "each id alone, of one thread"
#   0xffffffff, gid 0                        C "each id alone", "all ids and groups 0"
#   loginuid                                 there is no field for it
#   capabilities, securebits                 C "each set of capabilities", "unknown capabilities"
#   no_new_privs, filters                    C "no_new_privs cleared", "a filter ..."
#   executables                              C "a set-id program", "an executable that is none"
#   registers                                F "registers", "programs of 32 bits"
#   lengths, counts, reserved bits           F, by kind; D tries every byte and every length
#   overlaps, cycles, forward references     F "mappings", "pids, parents and sessions",
#                                            "mounts: a mount on itself", U image: link_fails
#   duplicates                               U image: twice; F "pids, ...", "terminals"
#   decompression bombs                      U image_damage, image_verify; F "petabytes"

load helper
load roots
load forged

@test "forged: a task or thread without what takes its privileges" {
	local part
	victim_saved thread
	for part in CRED CONF TATT SCHD; do
		rejects 4 "registers: without" "$part-"
	done
	for part in RLIM SIGA PRCT OOMA FDTB; do
		rejects 4 "identity: without" "$part-"
	done
	rejects 4 "registers: without creds" CRED.3-
}

@test "forged: the name of a container" {
	local start rest
	victim_saved eventfd
	for start in ../ /x a/b -x .x "x y"; do
		rest=${VICTIM:${#start}}
		rejects 4 "impossible name" "CTNR+16:${#VICTIM}=@$start${rest//-/x}"
	done
}

@test "forged: pids, parents and sessions" {
	victim_saved process
	rejects 4 pid TASK+0:4=0
	rejects 4 pid TASK+0:4=0xffffffff
	rejects 4 pid TASK+0:4=0x400001
	rejects 4 "" TASK+0:4=3
	rejects 4 parent TASK+4:4=1
	rejects 4 parent TASK+4:4=99
	rejects 4 pid TASK+12:4=0x80000000
	rejects 4 "address space" TASK+16:4=0x7fffffff
	rejects 4 "" TASK+20:4=1
	rejects 4 bits TASK+28:4=65
}

@test "forged: the end of a dead process" {
	local code
	victim_saved pending
	for code in 0x7f 0x13 0x14 0x41 0x11 0x80 0x101 0x10000; do
		rejects 4 "impossible exit code" TASK.1+24:4=$code
	done
	accepts TASK.1+24:4=0x89
}

@test "forged: mappings" {
	local vmas
	victim_saved idle
	vmas=$((104 + $("$FORGE" get "$IMAGE" MMAP+92:4)))
	rejects 4 "impossible range" MMAP+$vmas:8=0
	rejects 4 "impossible range" MMAP+$((vmas + 8)):8=0x800000000000
	rejects 4 "impossible range" MMAP+$((vmas + 8)):8=0xffffffffff600000
	rejects 4 "impossible range" "MMAP+$((vmas + 40)):8=$("$FORGE" get "$IMAGE" MMAP+$vmas:8)"
	rejects 4 "" MMAP+96:4=0xffffffff
	rejects 4 "" MMAP+92:4=0xfffffff0
	rejects 4 "" MMAP+100:4=1
	rejects 4 offset MMAP+$((vmas + 16)):8=0x7ffffffffffff000
	rejects 1 "" MMAP+48:8=0xffffffffff600000
}

@test "forged: guards in memory of ours" {
	local guard place
	victim_saved mapping
	guard=$((104 + $("$FORGE" get "$IMAGE" MMAP+92:4) + 40 * $("$FORGE" get "$IMAGE" MMAP+96:4)))
	for place in 0x10001000 0x10002000 0x10100000 0x7fffffffe000; do
		rejects 4 "is in no mapping" MMAP+$guard:8=$place MMAP+$((guard + 8)):8=0x1000
	done
}

@test "forged: shared memory of petabytes" {
	victim_saved mapping
	rejects 34 "" MAPF+0:4=5 MAPF+16:8=0x7ffffffff000
	rejects 134 "" CONT+0:8=0x10000000
}

@test "forged: registers" {
	victim_saved idle
	rejects 4 kernel REGS+$((24 + 16 * 8)):8=0xffffffff81000000
	rejects 4 kernel REGS+$((24 + 16 * 8)):8=0x800000000000
	rejects 4 segment REGS+$((24 + 17 * 8)):8=0x10
	rejects 4 segment REGS+$((24 + 20 * 8)):8=0x18
	for ((n = 23; n < 27; n++)); do
		rejects 4 segments REGS+$((24 + n * 8)):8=0x10
	done
	rejects 4 kernel REGS+$((24 + 21 * 8)):8=0xffff888000000000
	rejects 4 kernel REGS+$((24 + 22 * 8)):8=0x800000000000
	rejects 4 kernel REGS+$((24 + 18 * 8)):8=0x3000
	rejects 4 "registers:" REGS+12:4=8
	rejects 4 header REGS+$((240 + 520)):8=1
	rejects 134 "" REGS+$((240 + 512)):8=0x7000000000000000
	accepts REGS+$((24 + 19 * 8)):8=0xffffffffffffffff
	accepts REGS+$((24 + 16 * 8)):8=0x1000
}

@test "forged: threads that end their process before all of them run" {
	victim_saved thread
	for ((n = 0; n < 7; n++)); do
		accepts REGS.$n+$((24 + 16 * 8)):8=0x1000
	done
}

@test "forged: addresses that the kernel keeps" {
	victim_saved thread
	rejects 14 "" TATT+32:8=0xffff888000000000
	rejects 14 "" TATT+32:8=0x1001
	accepts TATT+16:8=0xffff888000000000
	rejects 4 "reserved" TATT+84:4=1 || rejects 4 "" TATT+84:4=1
}

@test "forged: ids and capabilities" {
	victim_saved creds
	rejects 3 "only one id" CRED+0:4=1
	rejects 4 "no id" CRED+0:4=0xffffffff
	rejects 3 "only one id" CRED+12:4=1234567
	rejects 4 "unknown bits" CRED+32:8=0x8000000000000000
	rejects 4 "not permitted" CRED+40:8=0 CRED+48:8=0x200000
	rejects 4 securebits CRED+72:4=0x1000
	rejects 4 groups CRED+76:4=0x10000
}

@test "forged: a file by another way" {
	local path size
	victim_saved regfile
	size=$(($(length_of REGF 1) - 121))
	for path in /proc/self/root/etc/passwd /proc/1/root/etc/passwd /proc/self/fd/0 \
		/proc/self/exe /proc/thread-self/cwd/x /dev/full /dev/stdin /etc /run \
		/../../../etc/no-such /proc/self/ns/net /proc/1/mem; do
		rejects 134 "" "REGF.1+120:$size=@$path"
	done
}

@test "forged: flags of files" {
	victim_saved regfile
	# O_CREAT, O_TRUNC, O_PATH, O_TMPFILE, O_DIRECTORY
	for flags in 0x42 0x202 0x200000 0x410002 0x10000; do
		rejects 4 flags REGF.1+0:4=$flags
	done
	rejects 14 "" REGF.1+16:8=0xffffffffffffffff
}

@test "forged: a file that became a fifo, a directory or a link" {
	local file
	victim_saved regfile
	file=$VICTIM_DIR/data
	[[ -e $file ]] || skip "the victim has no such file"
	"$FORGE" edit "$IMAGE" "$EVIL" REGF+0:1=@/ 2>/dev/null || cp "$IMAGE" "$EVIL"
	rm "$file"
	mkfifo "$file"
	CTCKPT_TIMEOUT=20 run --separate-stderr -3 ctckpt restore --detach "$IMAGE"
	rm "$file"
	mkdir "$file"
	CTCKPT_TIMEOUT=20 run --separate-stderr -3 ctckpt restore --detach "$IMAGE"
	rmdir "$file"
	ln -s /dev/zero "$file"
	CTCKPT_TIMEOUT=20 run --separate-stderr -3 ctckpt restore --detach "$IMAGE"
	ln -sf /proc/self/mem "$file"
	CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore --detach "$IMAGE"
	((status == 1 || status == 3))
}

@test "forged: epoll of nobody" {
	victim_saved eventpoll
	rejects 4 "is of no task" EPOL+4:4=99
	rejects 4 "is of no task" EPOL+4:4=0
	rejects 4 "which is no file" EPOL+24:4=99
	rejects 4 descriptor EPOL+28:4=0xffffffff
	rejects 14 "" EPOL+28:4=0x7ffffffe
}

@test "forged: removed directories" {
	local size
	victim_saved directory
	rejects 4 "unknown bits" DIRF+12:4=0x8000
	rejects 4 "unknown bits" DIRF+12:4=0x14000
	rejects 4 "" TASK+28:4=0x300
	size=$(($(length_of DIRF 2) - 17))
	rejects 4 "bad path" "DIRF.2+16:$size=@/../x"
	rejects 14 "make removed directory" "DIRF.2+16:$size=@/////"
	# Nothing that is there is touched.
	accepts "DIRF.2+16:$size=@/etc"
	[[ -d /etc ]]
}

@test "forged: owners of files" {
	victim_saved fileowner
	rejects 4 "no descriptor" FOWN.0+0:4=99 FOWN.0+24:4=100 FOWN.0+48:4=101 FOWN+72:4=102 \
		FOWN+96:4=103 FOWN+120:4=104
	rejects 4 "out of order" FOWN+0:4=0x7fffffff
	rejects 4 "type 4" FOWN+4:4=4
	rejects 4 "type 0" FOWN+4:4=0
	rejects 4 "type 1" FOWN+8:4=0
	rejects 4 "no task" FOWN+8:4=0x7fffffff
	rejects 4 "no task" FOWN+4:4=3 FOWN+8:4=0x7fffffff
	rejects 4 "signal 65" FOWN+12:4=65
	rejects 4 "unknown bits" FOWN+16:4=2
	rejects 4 "unknown bits" FOWN+20:4=1
}

@test "forged: leases" {
	victim_saved lease
	rejects 4 "unknown bits" LEAS+4:4=2
	rejects 4 "out of order" LEAS+0:4=0x7fffffff
	rejects 4 "no descriptor" LEAS+16:4=99
	rejects 3 "no lease can be taken" LEAS+4:4=1
}

@test "forged: pidfds" {
	victim_saved pidfd
	rejects 4 "unknown bits" PIDF+0:4=1
	rejects 4 "unknown bits" PIDF+12:4=1
	rejects 4 "of no task" PIDF+4:4=0x7fffffff
	rejects 4 "impossible exit code" PIDF+8:4=0x100
	rejects 4 "impossible exit code" PIDF+4:4=0 PIDF+8:4=0x10000
	rejects 4 "impossible exit code" PIDF+4:4=0 PIDF+8:4=0x80
	rejects 4 "impossible exit code" PIDF+4:4=0 PIDF+8:4=0x7f
	accepts PIDF+4:4=0 PIDF+8:4=19
	accepts PIDF+4:4=0 PIDF+8:4=9
}

@test "forged: files of processes" {
	local size path
	victim_saved procfile
	size=$(($(length_of PROF) - 17))
	rejects 4 "unknown flags" PROF+8:4=0x42
	rejects 4 "impossible type" PROF+12:4=0x3000
	rejects 4 "impossible offset" PROF+0:8=0x8000000000000000
	rejects 4 "bad path" "PROF+16:$size=@/etc"
	rejects 4 "bad path" "PROF+16:$size=@/1/../x"
	rejects 4 "no process" "PROF+16:$size=@/proc/99/x"
	for path in /proc/1/root /proc/1/exe /proc/1/fd/0 /proc/1/cwd/x /1; do
		rejects 1 "" "PROF+16:$size=@$path"
	done
}

@test "forged: places" {
	local size
	victim_saved opath
	rejects 4 "unknown bits" OPTH+0:4=0x41
	rejects 4 "unknown bits" OPTH+12:4=1
	rejects 4 "impossible type" OPTH+4:4=0
	rejects 4 "impossible type" OPTH+4:4=0x3000
	rejects 4 "carries no content" OPTH+8:4=99
	rejects 4 "bad path" OPTH.1+8:4=1
	rejects 4 "bad path" "OPTH.1+16:8=@../../.."
	size=$(($(length_of OPTH 1) - 17))
	rejects 134 "" "OPTH.1+16:$size=@/proc/1/root/etc/passwd"
	rejects 134 "" "OPTH.1+16:$size=@/proc/self/exe"
}

@test "forged: watches" {
	local size
	victim_saved inotify deep
	size=$(($(length_of INOT) - 40))
	rejects 4 "unknown bits" INOT+8:4=2
	rejects 4 "unknown bits" INOT+4:4=0x80000000
	rejects 4 "for 2 watches" INOT+12:4=2
	rejects 4 "too many" INOT+12:4=0
	rejects 4 "watch 0" INOT+16:4=0
	rejects 4 "watch 1048577" INOT+16:4=0x100001
	rejects 4 "unknown bits" INOT+20:4=0
	rejects 4 "unknown bits" INOT+20:4=0x40000000
	rejects 4 "unknown bits" INOT+24:4=0x3000
	rejects 4 "a watch on nothing" INOT+28:4=1
	rejects 4 "a watch on nothing" INOT+32:4=0
	rejects 4 "" INOT+32:4=0xffffffff
	rejects 4 "bad path" "INOT+40:8=@../../.."
	rejects 134 "" "INOT+40:$((size - 8))=@/proc/self/root/etc/passwd"
	accepts INOT+16:4=9
}

@test "forged: pipes" {
	victim_saved pipe
	rejects 4 "impossible size" PIPE+8:4=0xfffff000
	rejects 4 "" PIPE+12:4=0x7fffffff
	rejects 4 flags PIPE+0:4=0xffffffff
	rejects 4 "" PIPE+4:4=0x7fffffff
}

@test "forged: mounts: counts, numbers, bits" {
	victim_saved ns_mnt flags
	rejects 4 "mounts: " NMNT+4:4=0xffffffff
	rejects 4 "mounts: " NMNT+4:4=1025
	rejects 4 "mounts: " NMNT+4:4=1
	rejects 4 "mounts: " NMNT+0:4=2
	rejects 4 "is impossible" NMNT+8:4=0
	rejects 4 "is impossible" NMNT+8:4=6
	rejects 4 "is impossible" NMNT+12:4=8
	rejects 4 "is impossible" NMNT+16:4=1
	rejects 4 "is impossible" NMNT+24:4=7
	rejects 4 "is impossible" NMNT+28:4=0x100000
	rejects 4 "mounts: " NMNT+32:4=2
	rejects 4 "master of mount" NMNT+40:4=9
	rejects 4 "mounts: " NMNT+44:4=0xffffffff
}

@test "forged: mounts: a mount on itself, or on a later one" {
	local entry
	victim_saved ns_mnt flags
	[[ $(stat -c %m "$VICTIM_DIR") == / ]] || skip "the victim's directory is not on /"
	entry=$(($(text_in NMNT "${VICTIM_DIR#/}/ro") - 56))
	for number in 0 90 0xffffffff; do
		rejects 4 "is impossible" "NMNT+$((entry + 8)):4=$number"
	done
	rejects 4 "is impossible" "NMNT+$((entry)):4=1"
	rejects 4 "is impossible" "NMNT+$((entry)):4=4"
	rejects 4 "is impossible" "NMNT+$((entry + 12)):4=1"
	rejects 4 "tree" "NMNT+$((entry + 16)):4=90"
}

@test "forged: mounts: paths that lead elsewhere" {
	local path
	victim_saved ns_mnt flags
	[[ $(stat -c %m "$VICTIM_DIR") == / ]] || skip "the victim's directory is not on /"
	path=$(text_in NMNT "${VICTIM_DIR#/}/ro")
	rejects 4 "is impossible" "NMNT+$path:6=@../../"
	rejects 4 "is impossible" "NMNT+$path:2=@./"
	rejects 4 "is impossible" "NMNT+$path:1=@/"
	rejects 4 "mounts: NUL in a text" "NMNT+$path:1=0"
	rejects 1 "find the mount point" "NMNT+$path:3=@xxx"
}

@test "forged: mounts: a restriction of the host cannot be taken away" {
	local entry
	victim_saved ns_mnt locked
	[[ $(stat -c %m "$VICTIM_DIR") == / ]] || skip "the victim's directory is not on /"
	entry=$(($(text_in NMNT "${VICTIM_DIR#/}/locked") - 56))
	"$FORGE" edit "$IMAGE" "$EVIL" "NMNT+$((entry + 20)):4=0"
	run -0 ctckpt restore --policy map --detach "$EVIL"
	assert_contains "$output" "/locked keeps restrictions that it did not have"
	victim_succeeds
}

@test "forged: mounts: a link in the place of a mount point is not followed" {
	victim_saved ns_mnt flags
	rmdir "$VICTIM_DIR/ro"
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$VICTIM_DIR/ro"
	run -1 ctckpt restore --detach "$IMAGE"
	assert_contains "$output" "/ro: find the mount point: Too many levels of symbolic links"
	assert_equal "$(ctckpt ps --quiet)" ""
}

@test "forged: files in memory: names, numbers, sizes" {
	local name
	victim_saved tmpfs types
	rejects 4 "tree: " TMFS+0:4=0
	rejects 4 "tree: " TMFS+0:4=0xffffffff
	rejects 4 "tree: " TMFS+0:4=1
	rejects 4 "tree: " TMFS+4:4=1
	rejects 4 "entry 1 is impossible" TMFS+8:4=1
	rejects 4 "entry 1 is impossible" TMFS+12:4=0x81a4
	rejects 4 "entry 1 is impossible" TMFS+16:4=0xffffffff
	rejects 4 "entry 1 is impossible" TMFS+24:4=1
	rejects 4 "entry 1 is impossible" TMFS+28:4=5
	rejects 4 "entry 1 is impossible" TMFS+32:8=1
	rejects 4 "entry 1 is impossible" TMFS+56:4=1000000000
	rejects 4 "tree: " TMFS+64:4=0xffffffff
	rejects 4 "entry 1 is impossible" TMFS+76:4=1
	name=$(text_in TMFS dangling)
	rejects 4 "is impossible" "TMFS+$name:8=@/"
	rejects 4 "is impossible" "TMFS+$((name + 2)):1=@/"
	rejects 4 "is impossible" "TMFS+$name:1=0"
	for parent in 0 3000 0xffffffff; do
		rejects 4 "is impossible" "TMFS+$((name - 72)):4=$parent"
	done
	rejects 4 "is impossible" "TMFS+$((name - 68)):4=0x61ff"
	rejects 4 "is impossible" "TMFS+$((name - 56)):4=1"
	rejects 4 "is impossible" "TMFS+$((name - 56)):4=0xffffffff"
}

@test "forged: System V shared memory" {
	victim_saved sysv_shm
	rejects 4 "impossible id" SHMS+0:4=0x80000000
	rejects 4 "unknown bits" SHMS+8:4=01000
	rejects 4 "unknown bits" SHMS+28:4=1
	rejects 4 "impossible size" SHMS+32:8=0
	rejects 4 "" SHMS+32:8=0x1000
	rejects 134 "" SHMS+32:8=0x7ffffffff000
	rejects 4 "unknown bits" SHMS+40:4=8
	rejects 4 "" SHMS+40:4=4
	rejects 4 "the id is taken" "SHMS.1+0:4=$("$FORGE" get "$IMAGE" SHMS+0:4)"
	rejects 3 "only one id" SHMS+12:4=1
	rejects 3 "only one id" SHMS+24:4=1
	rejects 3 "no such id" SHMS+20:4=0xffffffff
}

@test "forged: attachments" {
	local n
	victim_saved sysv_shm
	for ((n = 0; n < 60; n++)); do
		# A segment, read only.
		(($("$FORGE" get "$IMAGE" "MAPF.$n+0:4") == 6)) || continue
		(($("$FORGE" get "$IMAGE" "MAPF.$n+4:4") == 2)) || break
	done
	rejects 4 "is not in the image" "MAPF.$n+8:4=99"
	rejects 4 "is not in the image" "MAPF.$n+16:8=0x100000"
	rejects 4 "alias" "MAPF.$n+8:4=0"
	rejects 4 "" "MAPF.$n+0:4=5"
	rejects 4 "" "MAPF.$n+0:4=7"
	for ((n = 0; n < 60; n++)); do
		(($("$FORGE" get "$IMAGE" "MAPF.$n+0:4") != 6)) || break
	done
	rejects 4 "is read only" "MAPF.$n+4:4=0"
}

@test "forged: semaphores and what is undone of them" {
	victim_saved sysv_undo
	rejects 4 "impossible value" SEMS+40:2=0x8000
	rejects 4 "" SEMS+32:4=0
	rejects 4 "" SEMS+32:4=0xffffffff
	rejects 4 "unknown bits" SEMS+36:4=2
	rejects 4 "no such semaphore" SEMU+0:4=99
	rejects 4 "" SEMU+4:2=14
	rejects 4 "nothing to undo" SEMU+6:2=0
	accepts SEMU+6:2=0x8000
}

@test "forged: message queues" {
	victim_saved sysv_msg
	rejects 4 "" MSGQ+40:4=0xffffffff
	rejects 4 "" MSGQ+40:4=3
	rejects 4 "unknown bits" MSGQ+32:8=0x8000000000000000
	rejects 4 "impossible type" MSGQ+48:8=0
	rejects 4 "impossible type" MSGQ+48:8=0x8000000000000000
	rejects 4 "" MSGQ+56:4=0xfffffff8
	rejects 1 "" MSGQ+32:8=0x7fffffffffffffff
}

@test "forged: limits of an ipc namespace" {
	victim_saved ns_ipc
	rejects 4 "neither on nor off" NIPC+24:8=2
	accepts NIPC+16:8=0x7fffffffffffffff
}

@test "forged: POSIX message queues" {
	victim_saved posix_mq
	rejects 4 "unknown bits" PMSQ+0:4=0x8000
	rejects 4 "impossible size" PMSQ+12:4=0
	rejects 4 "impossible size" PMSQ+12:4=0x10001
	rejects 4 "impossible size" PMSQ+16:4=0xffffffff
	rejects 4 "unknown bits" PMSQ+20:4=2
	rejects 4 "" PMSQ+24:4=0xffffffff
	rejects 4 "impossible name" PMSQ+24:4=0
	rejects 4 "impossible name" PMSQ+32:1=0x2f
	rejects 4 "impossible name" PMSQ+32:1=0
	rejects 4 "" PMSQ+28:4=1000
	rejects 3 "only one id" PMSQ+4:4=7
	rejects 4 "queue 99 is not in the image" MQUE+0:4=99
	rejects 4 "unknown flags" MQUE+4:4=0x40
}

@test "forged: notifications" {
	victim_saved mq_notify
	rejects 4 "no such queue" MQNO+0:4=99
	rejects 4 "no such queue" MQNO+4:4=99
	rejects 4 "unknown bits" MQNO+8:4=65
	rejects 1 "ask for a notification" MQNO+4:4=0
}

# Where the kind's own part of a socket's record begins: behind options and filter.
socket_end() {
	echo $((32 + $("$FORGE" get "$IMAGE" "$1+20:4") + 8 * $("$FORGE" get "$IMAGE" "$1+24:4")))
}

@test "forged: the common part of sockets" {
	victim_saved sock_tcp
	rejects 4 "unknown flags" STCP+0:4=0xffffffff
	rejects 4 "unknown bits" STCP+4:4=1
	rejects 4 "family" STCP+8:4=1
	rejects 4 "type" STCP+12:4=2
	rejects 4 "protocol" STCP+16:4=262
	rejects 4 "options are cut" STCP+20:4=0xfffffff8
	rejects 4 "instructions" STCP+24:4=0xffffffff
	rejects 4 "unknown bits" STCP+28:4=2
	rejects 4 "unexpected option" STCP+32:2=77
	rejects 4 "unexpected option" STCP+34:2=26
	rejects 4 "impossible" STCP+36:4=3
	rejects 4 "options are cut" STCP+36:4=0xffffffff
	rejects 4 "impossible" STCP+44:4=1
}

@test "forged: TCP sockets" {
	local own
	victim_saved sock_tcp
	own=$(socket_end STCP.1)
	rejects 4 "impossible address" "STCP.1+$own:2=1"
	rejects 4 "impossible address" "STCP.1+$((own + 20)):4=1"
	rejects 4 "unknown bits" "STCP.1+$((own + 24)):4=2"
	rejects 4 "unknown bits" "STCP.1+$((own + 28)):4=0xffffffff"
	rejects 1 "the container's new network does not have this address" \
		"STCP.1+$((own + 8)):4=0x01020304"
}

@test "forged: TCP connections" {
	local own
	victim_saved sock_tcp_connection
	own=$(socket_end TCPC.1)
	rejects 4 "impossible address" "TCPC.1+$((own + 2)):2=0"
	rejects 4 "is not before it" "TCPC.1+$((own + 48)):4=0x7fffffff"
	rejects 4 "is not the other end" "TCPC.1+$((own + 2)):2=1"
	rejects 4 "unknown bits" "TCPC.1+$((own + 52)):4=99"
	rejects 4 "unknown bits" "TCPC.1+$((own + 56)):4=32"
	rejects 4 "unknown bits" "TCPC.1+$((own + 56)):4=64"
	rejects 4 "bytes" "TCPC.1+$((own + 52)):4=8"
	rejects 4 "impossible agreement" "TCPC.1+$((own + 60)):4=1"
	rejects 4 "impossible agreement" "TCPC.1+$((own + 64)):4=15"
	rejects 4 "impossible agreement" "TCPC.1+$((own + 68)):4=15"
	rejects 4 "bytes" "TCPC.1+$((own + 72)):4=0xffffffff"
	rejects 4 "bytes" "TCPC.1+$((own + 76)):4=1"
}

@test "forged: a TCP connection that lost its other end" {
	local own
	victim_saved sock_tcp_connection
	own=$(socket_end TCPC.1)
	rejects 14 "" "TCPC.1+$((own + 48)):4=0"
}

@test "forged: UDP sockets" {
	local own
	victim_saved sock_udp
	own=$(socket_end SUDP.3)
	rejects 4 "unknown bits" "SUDP.3+$((own + 48)):4=4"
	rejects 4 "multicast" "SUDP.3+$((own + 52)):4=0xffffffff"
	rejects 4 "unknown bits" "SUDP.3+$((own + 56)):4=0xffffffff"
	rejects 4 "datagrams are cut" "SUDP.3+$((own + 56)):4=1000"
	rejects 4 "impossible address" "SUDP.3+$((own + 64)):2=1"
	rejects 4 "datagrams are cut" "SUDP.3+$((own + 64 + 48)):4=0xffffffff"
}

@test "forged: ping and raw sockets" {
	victim_saved sock_ping
	rejects 4 "protocol" PING+16:4=17
	rejects 4 "type" PING+12:4=3
}

@test "forged: unix sockets and their connections" {
	local rec
	victim_saved sock_unix nameless
	rec=$((32 + $("$FORGE" get "$IMAGE" UNIX+20:4)))
	# The first listens, the second and third are a pair.
	rejects 4 "of another family or type" UNIX+8:4=2
	rejects 4 "of another family or type" UNIX+12:4=3
	rejects 4 "unknown bits" "UNIX+$rec:4=4"
	rejects 4 "unknown bits" "UNIX+$((rec + 4)):4=4"
	rejects 4 "unknown bits" "UNIX+$((rec + 16)):4=4"
	rejects 4 "unknown bits" "UNIX+$((rec + 56)):4=2"
	rejects 4 "impossible connection" "UNIX.1+$((rec + 8)):4=0"
	rejects 4 "none of its kind" "UNIX.1+$((rec + 8)):4=99999"
	rejects 4 "none of its kind" "UNIX.1+$((rec + 8)):4=1"
	rejects 4 "are not connected" "UNIX.1+$((rec + 8)):4=$("$FORGE" list "$IMAGE" |
		awk '$1 == "UNIX" && n++ == 4 { print $2 }')"
	rejects 4 "which does not listen" "UNIX.1+$((rec + 12)):4=$("$FORGE" list "$IMAGE" |
		awk '$1 == "UNIX" && n++ == 2 { print $2 }')"
	rejects 4 "impossible backlog" "UNIX+$((rec + 20)):4=0xffffffff"
	rejects 4 "impossible name" "UNIX+$((rec + 24)):4=0"
	rejects 4 "impossible name" "UNIX+$((rec + 24)):4=3"
	rejects 4 bytes "UNIX+$((rec + 28)):4=110"
	rejects 4 bytes "UNIX+$((rec + 32)):4=4097"
	rejects 4 "impossible outside" "UNIX+$((rec + 4)):4=2"
	rejects 4 "impossible outside" "UNIX.1+$((rec + 4)):4=3"
	rejects 4 "has no queue" UNXQ-
	rejects 4 "is no socket" UNIX-
}

@test "forged: unix sockets that cannot have been connected like this" {
	local n=0 at id rec named=() nameless=()
	victim_saved unix_queue
	# Sockets for datagrams: their places and ids.
	while read -r id; do
		at=UNIX.$n
		((n += 1))
		rec=$((32 + $("$FORGE" get "$IMAGE" "$at+20:4")))
		[[ $("$FORGE" get "$IMAGE" "$at+12:4") == 2 &&
			$("$FORGE" get "$IMAGE" "$at+$((rec + 4)):4") == 0 ]] || continue
		if [[ $("$FORGE" get "$IMAGE" "$at+$((rec + 28)):4") != 0 ]]; then
			named+=("$at+$rec $id")
		else
			nameless+=("$at+$rec $id")
		fi
	done < <("$FORGE" list "$IMAGE" | awk '$1 == "UNIX" { print $2 }')
	# connects SOCKET PEER: the edits.
	connects() {
		local place=${1% *}
		echo "$place:4=2" "${place%+*}+$((${place#*+} + 8)):4=${2#* }"
	}
	# shellcheck disable=SC2046 # words
	rejects 4 "is connected in a circle" $(connects "${named[0]}" "${named[1]}") \
		$(connects "${named[1]}" "${named[2]}") $(connects "${named[2]}" "${named[0]}")
	# The one that has no name would have been made together with two others.
	local place=${nameless[0]% *}
	# shellcheck disable=SC2046
	rejects 4 "has no name to connect with" $(connects "${named[0]}" "${nameless[0]}") \
		"$place:4=0" "${place%+*}+$((${place#*+} + 8)):4=0"
}

@test "forged: what waits in unix sockets" {
	local n=0 length
	victim_saved unix_queue
	# The first queue with something in it is that of a stream.
	until length=$(length_of UNXQ $n) && ((length > 8)); do ((++n)); done
	rejects 4 bytes "UNXQ.$n+0:4=65537"
	rejects 4 bytes "UNXQ.$n+4:4=0xffffffff"
	rejects 4 "is cut" "UNXQ.$n+4:4=2"
	rejects 4 "too many" "UNXQ.$n+4:4=0"
	rejects 4 "is cut" "UNXQ.$n+8:4=0xfffffff8"
	rejects 4 "is no sender" "UNXQ.$n+12:4=1"
	rejects 4 "is cut" "UNXQ.$n+16:4=0xffffffff"
	rejects 4 "is cut" "UNXQ.$n+16:4=253"
	rejects 4 "unknown bits" "UNXQ.$n+20:4=1"
	rejects 4 "unknown bits" "UNXQ.$n+24:4=2"
	# A descriptor in flight that is no file: the one in a message of four bytes that waits for itself.
	n=$("$FORGE" list "$IMAGE" | awk '$1 == "UNXQ" { if ($4 == 56) print n + 0; n++ }' | tail -n 1)
	rejects 4 "is in flight, but no file" "UNXQ.$n+40:4=1"
}

@test "forged: terminals" {
	victim_saved terminal
	rejects 4 "impossible number" TERM+0:4=4096
	rejects 4 "two of them" TERM.1+0:4="$("$FORGE" get "$IMAGE" TERM+0:4)"
	rejects 4 "unknown bits" TERM+4:4=0x200
	rejects 4 "unknown bits" TERM+4:4=0x18
	rejects 4 "unknown bits" TERM+4:4=0x10
	rejects 4 "unknown bits" TERM+4:4=0xc0
	rejects 4 "unknown bits" TERM+8:4=0
	rejects 4 "is not its master" TERM+8:4="$("$FORGE" get "$IMAGE" TERM.1+8:4)"
	rejects 4 "is not its master" TERM+8:4=1
	rejects 4 "unknown bits" TERM+12:4=0x8000
	rejects 4 "unknown bits" TERM+75:1=1
	rejects 4 "unknown bits" TERM+84:4=1
	rejects 4 "impossible content" TERM+76:4=0x40000000
	rejects 4 "impossible content" TERM+80:4=0xffffffff
	rejects 4 "impossible content" TERM+88:4=0xffffffff
	rejects 4 "impossible content" TERM+88:4=0x30004
	rejects 4 "impossible content" TERM+44:4=0
	accepts TERM+32:4=0xffffffff TERM+36:4=0xffffffff TERM+40:4=0xffffffff
	accepts TERM+16:4=0xfffffffe TERM+20:4=0xfffffffe
	accepts TERM+0:4=3000
	rejects 4 "unknown bits" PTYF+4:4=3
	rejects 4 "unknown bits" PTYF+8:4=3
	rejects 4 "not in the image" PTYF.1+0:4=0
	rejects 4 "no such end" PTYF.1+4:4=0
	rejects 4 "is not its master" PTYF+4:4=1
	rejects 4 "is not its master" PTYF+0:4="$("$FORGE" get "$IMAGE" PTYF.2+0:4)"
}

@test "forged: a terminal that leads to the user's" {
	victim_saved terminal
	rejects 4 "" TERM.2+4:4=0x20 TERM.2+8:4=0
}

@test "forged: controlling terminals" {
	victim_saved ctty
	rejects 4 "impossible process group" CTTY+4:4=0x400001
	rejects 4 "unknown bits" CTTY+8:4=2
	rejects 4 "unknown bits" CTTY+12:4=1
	rejects 4 "cannot be one" CTTY+0:4=1
	rejects 4 "does not lead its session" CTTY+8:4=1
	rejects 4 "of two sessions" CTTY.1+0:4="$("$FORGE" get "$IMAGE" CTTY+0:4)"
	# A group of another session, and none at all.
	rejects 1 "set the foreground group" CTTY+4:4=1
	accepts CTTY+4:4=0
	accepts CTTY+4:4=4000
}

@test "forged: mounts: an overlay of what only a link of /proc leads to" {
	local at path=$BATS_TEST_TMPDIR/victim/layers/lower
	victim_saved ns_mnt overlay
	at=$(($(text_in NMNT "lowerdir=$path") + 9))
	rejects 1 "open directory //" "NMNT+$at:${#path}=@/proc/self/root/tmp"
	rejects 1 "open directory //" "NMNT+$at:${#path}=@/proc/self/fd/3"
}

@test "forged: descriptors of namespaces" {
	victim_saved nsfd
	rejects 4 "unknown bits" NSFD+0:4=0
	rejects 4 "unknown bits" NSFD+0:4=9
	rejects 4 "is not in the image" NSFD+4:4=0x7fffffff
	rejects 4 "unknown bits" NSFD+12:4=1
}

@test "forged: the network of a socket" {
	victim_saved netns
	rejects 4 "is not in the image" SNET+0:4=0x7fffffff
	rejects 4 "unknown bits" SNET+0:4=0
	rejects 4 "unknown bits" SNET+4:4=1
}

@test "forged: the ipc namespace of an object" {
	victim_saved ipcns
	rejects 4 "is not in the image" SIPC+0:4=0x7fffffff
	rejects 4 "unknown bits" SIPC+0:4=0
	rejects 4 "unknown bits" SIPC+4:4=1
}

@test "forged: AIO contexts" {
	victim_saved aio
	rejects 4 "impossible ring" AIOC+0:8=0x7ffffffff000
	rejects 4 "impossible ring" AIOC+0:8=0x800
	rejects 4 "impossible ring" AIOC+8:4=0
	rejects 4 "impossible ring" AIOC+8:4=0xffffffff
	rejects 4 "there is no place for a ring" AIOC+8:4=2
	rejects 4 "there is no place for a ring" AIOC+0:8=0x10000
	rejects 4 "aio: " AIOC+12:4=0xffffffff
	rejects 4 "aio: " AIOC+12:4=1
	# The largest has no events, the next below has.
	accepts AIOC+32:8=4711
}

@test "forged: rings of io_uring" {
	victim_saved io_uring
	rejects 4 "unknown bits" URNG+0:4=0x10000000
	rejects 4 "unknown bits" URNG+4:4=1
	rejects 4 "unknown bits" URNG+4:4=0x1000
	rejects 4 "0 requests, 8 completions" URNG+8:4=0
	rejects 4 "3 requests, 8 completions" URNG+8:4=3
	rejects 4 "16 requests, 8 completions" URNG+8:4=16
	rejects 4 "65536 requests" URNG+8:4=65536
	rejects 4 "131072 completions" URNG+12:4=131072
	rejects 4 "12 completions" URNG+12:4=12
	rejects 4 "9 unread" URNG+20:4=9
	rejects 4 "requests in all" URNG.2+16:4=0xffffffff
	rejects 4 "requests in all" URNG+16:4=0x7000000 URNG.1+16:4=0x7000000
	rejects 4 "io_uring: " URNG+80:4=0xffffffff
	rejects 4 "io_uring: " URNG+84:4=0xffffffff
	rejects 4 "io_uring: " URNG+8:4=2
	rejects 5 "lays rings of io_uring out otherwise" URNG+24:4=4
	rejects 5 "lays rings of io_uring out otherwise" URNG+48:4=0xffffffff
	# Its own memory; completions that it never had.
	accepts URNG+88:4=0xffffffff URNG+92:4=0x7fffffff URNG+96:4=12345 URNG+104:4=0xffffffff
	accepts URNG+16:4=50000 URNG+20:4=8
	rejects 4 "impossible range" URNM+0:8=0x800
	rejects 4 "impossible range" URNM+0:8=0x7ffffffff000
	rejects 4 "impossible range" URNM+8:8=0
	rejects 4 "impossible range" URNM+8:8=0xfffffffffffff000
	rejects 4 "unknown bits" URNM+16:4=0x1000
	rejects 4 "unknown bits" URNM+16:4=0x80000000
	rejects 4 "unknown bits" URNM+24:4=8
	rejects 4 "unknown bits" URNM+28:4=4
	rejects 4 "is not there" URNM+20:4=0
	rejects 4 "is not there" URNM+20:4=0xffffffff
	rejects 4 "there is no place for it" URNM+0:8=0x10000
}

@test "forged: fanotify marks" {
	victim_start fanotify || { [[ -e $VICTIM_DIR/missing ]] && skip "not to be had here"; }
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# The first is on a directory.
	rejects 4 "unknown bits" FANO+4:4=0
	rejects 4 "unknown bits" FANO+4:4=0x204
	rejects 4 "unknown bits" FANO+8:4=0x10000
	rejects 4 "for 5 marks" FANO+12:4=5
	rejects 4 "too many" FANO+12:4=0
	rejects 4 "unknown bits" FANO+16:4=0x10000
	rejects 4 "unknown bits" FANO+20:4=0x4000
	rejects 4 "unknown bits" FANO+24:4=0x100
	rejects 4 "unknown bits" FANO+28:4=0x3000
	rejects 4 "a mark on nothing" FANO+32:4=1
	rejects 4 "" FANO+36:4=0xffffffff
	rejects 4 "" FANO+40:4=0xffffffff
	rejects 4 "bad handle" FANO+40:4=0
	rejects 4 "unknown bits" FANO+44:4=1
	rejects 4 "bad path" "FANO+48:8=@../../.."
	accepts FANO+16:4=2
}

@test "forged: files for a mount that is not ours" {
	local at length options
	root_start tmpfs types /dev/shm
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# The mount of /dev/shm becomes one of the root directory, with the same files.
	at=$(text_in NMNT /dev/shmtmpfs)
	length=$("$FORGE" get "$IMAGE" "NMNT+$((at - 4)):4")
	options=$(tail -c "+$(($(body_of NMNT) + at + 13 + 1))" "$IMAGE" | head -c "$length")
	"$FORGE" edit "$IMAGE" "$EVIL" "NMNT+$((at - 20)):4=1" "NMNT+$((at - 4)):4=$((length + 7))" \
		"NMNT+$at:$((13 + length))=@/tmpfs${options/size=/size=0000000}"
	run -4 --separate-stderr ctckpt restore --detach --rootfs "$ROOT" "$EVIL"
	assert_contains "$stderr" "is impossible"
	[[ -e $ROOT/bin/tmpfs ]]
}

@test "forged: namespaces, their owners and maps" {
	victim_saved nsproxy
	# The first is a user namespace with one uid and one gid, the second a pid namespace of it.
	rejects 4 "unknown bits" NSPC.0+0:4=0
	rejects 4 "unknown bits" NSPC.0+0:4=9
	rejects 4 "only user namespaces have id maps" NSPC.0+0:4=5
	rejects 4 "is not in front of it" NSPC.0+4:4=1 NSPC.0+8:4=1
	rejects 4 "impossible owner" NSPC.0+8:4=1
	rejects 4 "impossible owner" NSPC.0+16:4=0xffffffff
	rejects 4 "bytes" NSPC.0+20:4=2
	rejects 4 "bytes" NSPC.0+20:4=0xffffffff
	rejects 4 "impossible id map" NSPC.0+40:4=0
	rejects 4 "impossible id map" NSPC.0+36:4=0xffffffff
	rejects 4 "is not in front of it" NSPC.1+4:4=0x7fffffff
	rejects 4 "is not in front of it" NSPC.1+8:4=0x7fffffff
	rejects 4 "" NSPC-
}

@test "forged: ids in a user namespace that its parent does not have" {
	victim_saved namespace
	local i=0
	# A user namespace in a user namespace.
	while [[ $("$FORGE" get "$IMAGE" "NSPC.$i+8:4") == 0 ]]; do
		((i += 1))
	done
	rejects 4 "maps an id that is not in its parent" "NSPC.$i+36:4=77"
}

@test "forged: where a task is" {
	victim_saved nsproxy
	rejects 4 "unknown bits" NSPX.0+0:4=1
	rejects 4 "user namespace" NSPX.0+4:4=0x7fffffff
	rejects 4 "user namespace" NSPX.0+4:4=1
	rejects 4 "pid namespace 2147483647 is not in the image" NSPX.0+36:4=0x7fffffff
	rejects 4 "not as many pids as threads" NSPX.0+40:4=0x7fffffff
	rejects 4 bytes NSPX.0+44:4=0x7fffffff
	rejects 4 "unknown bits" NSPX.0+40:4=0
}

@test "forged: processes that nobody can be the parent or the init of" {
	victim_saved nsproxy
	local i=0
	rejects 4 "the first task of the image is not its init" TASK.0+0:4=2 REGS.0+4:4=2 \
		TASK.1+0:4=1 REGS.1+4:4=1
	rejects 4 "task 2: no main thread" REGS.1+4:4=77 REGS.1+8:4=5
	rejects 4 "task 2: no main thread" REGS.1+0:4=1 REGS.1+8:4=5
	rejects 4 "pid 2 occurs twice" TASK.2+0:4=2 REGS.2+4:4=2
	# One level, and the first task in it: it has the process group and session of nobody there.
	while [[ $("$FORGE" get "$IMAGE" "NSPX.$i+44:4") != 1 ||
		$("$FORGE" get "$IMAGE" "NSPX.$i+56:4") != 1 ]]; do
		((i += 1))
	done
	rejects 4 "has no init" "NSPX.$i+56:4=7"
	while [[ $("$FORGE" get "$IMAGE" "NSPX.$i+44:4") != 1 ||
		$("$FORGE" get "$IMAGE" "NSPX.$i+56:4") != 2 ]]; do
		((i += 1))
	done
	rejects 4 "a second init" "NSPX.$i+56:4=1"
}

# place_in_pid_namespace PID: the number of the NSPX of who has this pid in the namespace below the
# container's.
place_in_pid_namespace() {
	local i=0
	until [[ $("$FORGE" get "$IMAGE" "NSPX.$i+44:4") == 1 &&
		$("$FORGE" get "$IMAGE" "NSPX.$i+56:4") == "$1" ]]; do
		((i += 1))
	done
	echo "$i"
}

@test "forged: sessions and process groups that lead out of a pid namespace" {
	local task=0
	victim_saved nsproxy
	# It lost its parent, which led its session.
	rejects 3 "task 8 cannot be put into session 7, which leads out of its pid namespace" \
		"NSPX.$(place_in_pid_namespace 6)+52:4=0"
	# It leads its own group, and would be in one that its parent is not in.
	until [[ $("$FORGE" get "$IMAGE" "TASK.$task+0:4") == 6 ]]; do
		((task += 1))
	done
	rejects 3 "task 6 cannot be put into process group 2, which leads out of its pid namespace" \
		"NSPX.$(place_in_pid_namespace 4)+48:4=0" "TASK.$task+8:4=2"
}

@test "forged: programs of 32 bits" {
	requires programs-32
	victim_saved 32/tls
	rejects 4 "compat: unknown bits" CMPT+12:4=1
	rejects 4 "compat: vdso of 0 bytes" CMPT+8:4=0
	rejects 4 "compat: vdso of 100 bytes" CMPT+8:4=100
	rejects 5 "this kernel's vdso is not the image's" CMPT+0:4=1
	rejects 5 "this kernel's vdso is not the image's" CMPT+8:4=0x20000
	rejects 4 "registers: code of another program" REGS+160:8=0x33
	rejects 4 "registers: code segment of no program" REGS+160:8=0x10
	rejects 4 "registers: segments" REGS+208:8=7
	rejects 4 "registers: an address of more than 32 bits" REGS+156:4=1
	rejects 4 "tls: unknown bits" TLSG+8:4=0x20
	rejects 4 "tls: unknown bits" TLSG+8:4=0x05
	rejects 4 "tls: unknown bits" TLSG+12:4=1
	rejects 4 "tls: impossible segment" TLSG+4:4=0x100000
	accepts REGS+152:4=0xfffffff0
	accepts TLSG+0:4=0xfffffff0 TLSG+32:4=0x70000000
}

@test "forged: a program of 64 bits that would be one of 32" {
	victim_saved eventfd
	rejects 4 "registers: code of another program" REGS+160:8=0x23 REGS+156:4=0 REGS+180:4=0
}
