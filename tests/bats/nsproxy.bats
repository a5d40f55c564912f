#!/usr/bin/env bats
load helper

@test "nsproxy: pid namespaces come back, with every pid in every one of them" {
	victim_start nsproxy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "nsproxy: three generations" {
	victim_start nsproxy
	for _ in 1 2 3; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach "$IMAGE"
	done
	victim_succeeds
}

@test "nsproxy: two containers from one image" {
	victim_start nsproxy
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-twin" "$IMAGE"
	kill_tasks "$(container_pid "$VICTIM-twin")"
	victim_succeeds
}

# refused FORM WORDS
refused() {
	victim_start nsproxy "$1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -3 --separate-stderr ctckpt restore --detach "$IMAGE"
	[[ $stderr =~ $2 ]] || fail "$stderr"
}

@test "nsproxy: a session of no process in its pid namespace is refused" {
	refused session "task [0-9]+ cannot be put into session [0-9]+, which leads out of its pid namespace"
}

@test "nsproxy: a group of no process in its pid namespace is refused" {
	refused group "task [0-9]+ cannot be put into process group [0-9]+, which leads out of its pid namespace"
}
