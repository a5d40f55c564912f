#!/usr/bin/env bats
load helper

@test "ns_net: the loopback interface is up, and alone" {
	victim_start ns_net
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_net: another interface is refused" {
	requires cmd-ip
	victim_start ns_net alone
	nsenter --preserve-credentials --target "$(container_pid "$VICTIM")" --user --net \
		ip link add odd type bridge || skip "requires the kernel's bridges"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "network interface odd is not supported"
	victim_succeeds
}
