#!/usr/bin/env bats
load helper

@test "mq_notify: notifications and their values survive" {
	victim_start mq_notify
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mq_notify: a checkpoint leaves notifications alone" {
	victim_start mq_notify
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "mq_notify: the third generation is like the first" {
	victim_start mq_notify
	for generation in 1 2 3; do
		run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.$generation"
		run -0 ctckpt restore --detach "$IMAGE.$generation"
	done
	victim_succeeds
}

@test "mq_notify: notifications by a thread are refused" {
	victim_start mq_notify thread
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "notifications of message queue notify-not by a thread are not supported"
	victim_succeeds
}

@test "mq_notify: a notification of a queue that is not empty is refused" {
	victim_start mq_notify filled
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "message queue notify-not has messages, and a process to be notified"
	victim_succeeds
}
