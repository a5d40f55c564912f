#!/usr/bin/env bash
# A pipeline between background jobs that runs all the time; every number must come through it
# once, and every job must end as told.
set -u

finish() {
	printf '%s' "$1" >"$VICTIM_DIR/result.draft"
	mv "$VICTIM_DIR/result.draft" "$VICTIM_DIR/result"
	[[ $1 == ok ]]
	exit
}

numbers() {
	local n=0
	until [[ -e $VICTIM_DIR/go && $n -ge 100 ]]; do
		echo $((n++))
		sleep 0.005
	done
	echo end
}

numbers | sed -u 's/^/line /' | while read -r _ number; do
	echo "$number"
done >"$VICTIM_DIR/numbers" &
pipeline=$!

(
	trap 'exit 7' TERM
	while :; do sleep 0.02; done
) &
job=$!

: >"$VICTIM_DIR/ready"
until [[ -e $VICTIM_DIR/go ]]; do sleep 0.01; done

wait "$pipeline" || finish "the pipeline ended with $?"
expected=0 last=
while read -r number; do
	[[ $number == end || $number == "$expected" ]] || finish "$number came for $expected"
	last=$number
	((expected++))
done <"$VICTIM_DIR/numbers"
[[ $last == end ]] || finish "the pipeline lost its end"

kill -TERM "$job"
wait "$job"
status=$?
((status == 7)) || finish "the background job ended with $status"
finish ok
