#!/usr/bin/env bats
load helper

# comes_back WAY [OPTION...]
comes_back() {
	victim_start creds "$1"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "${@:2}" "$IMAGE"
	victim_succeeds
}

@test "creds: strict takes all capabilities" {
	comes_back strict
}

@test "creds: map keeps capabilities within the bounding set" {
	comes_back map --policy map
}

@test "creds: a checkpoint leaves them alone" {
	victim_start creds map
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}
