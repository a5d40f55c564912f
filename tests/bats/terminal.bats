#!/usr/bin/env bats
load helper

@test "terminal: settings, sizes, numbers and what waits in them survive" {
	victim_start terminal
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "terminal: a checkpoint that goes on takes nothing" {
	victim_start terminal
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE.2"
	victim_succeeds
}

# refused FORM TEXT
refused() {
	victim_start terminal "$1"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "$2"
	victim_succeeds
}

@test "terminal: more lines than could be put back are refused" {
	refused lines "too much input waits in terminal /dev/pts/0"
}

@test "terminal: packet status that was not read is refused" {
	refused status "terminal /dev/pts/0 has packet status that was not read yet"
}

@test "terminal: one that was hung up and opened as /dev/tty is refused" {
	refused tty "terminal /dev/tty is not supported"
}

@test "terminal: one that nobody has open, and nobody else may open, is refused" {
	refused exclusive "terminal /dev/pts/0 cannot be opened: Device or resource busy"
}
