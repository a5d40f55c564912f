#!/usr/bin/env bats
load helper

@test "mapping: memory, advice, locks, guards, heap, stack and vdso survive" {
	victim_start mapping
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mapping: a checkpoint leaves memory alone" {
	victim_start mapping
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	victim_succeeds
}

@test "mapping: what was never written takes no room in the image" {
	victim_start mapping
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	# Gigabytes are mapped; where huge pages are advised, or always there, a byte written may be 2 MiB.
	local most=8
	! grep -qF '[always]' /sys/kernel/mm/transparent_hugepage/enabled || most=64
	(($(stat -c %s "$IMAGE") < most << 20))
}

# The state of a generator is not saved: with it, all copies would draw the same numbers.
@test "mapping: droppable memory comes back empty" {
	victim_start random
	[[ ! -e $VICTIM_DIR/no-state ]] || skip "requires the kernel's droppable mappings"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
	mv "$VICTIM_DIR/drawn" "$VICTIM_DIR/before"
	rm "$VICTIM_DIR"/{go,result}
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
	[[ $(<"$VICTIM_DIR/drawn") != "$(<"$VICTIM_DIR/before")" ]]
}

@test "mapping: the same from compressed pages" {
	victim_start mapping
	run -0 ctckpt checkpoint --compress lz4 "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "mapping: memory enough for huge pages comes back, by a file and by a pipe" {
	victim_start large
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	rm "$IMAGE"
	run -0 bash -c '"$1" checkpoint "$2" -o - --compress lz4 | cat >"$3"' - "$CTCKPT" "$VICTIM" "$IMAGE"
	run -0 bash -c 'cat "$2" | "$1" restore --detach -' - "$CTCKPT" "$IMAGE"
	victim_succeeds
}

@test "mapping: tens of thousands, of a process that has no descriptor left" {
	victim_start crowded
	CTCKPT_TIMEOUT=10 run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	CTCKPT_TIMEOUT=10 run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}
