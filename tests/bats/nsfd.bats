#!/usr/bin/env bats
load helper

@test "nsfd: descriptors of namespaces come back, also of those that nothing else holds" {
	victim_start nsfd
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "nsfd: they can be entered" {
	victim_start nsfd capable
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	victim_succeeds
}

@test "nsfd: a uts namespace that only a descriptor holds is refused by name" {
	victim_start nsfd uts-held
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "task 1 (nsfd), descriptor 3: a uts namespace without a task is not supported"
}

@test "nsfd: a descriptor of a pid namespace in the container is refused by name" {
	victim_start nsfd pid
	run -3 --separate-stderr ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$stderr" "descriptor 3: a descriptor of a pid namespace in the container is not supported"
}
