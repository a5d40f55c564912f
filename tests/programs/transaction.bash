#!/usr/bin/env bash
# sqlite3 in the middle of a transaction, fed by a FIFO: the rows from before and after the
# checkpoint are committed together, and were not to be seen before.
set -u

finish() {
	printf '%s' "$1" >"$VICTIM_DIR/result.draft"
	mv "$VICTIM_DIR/result.draft" "$VICTIM_DIR/result"
	[[ $1 == ok ]]
	exit
}

db=$VICTIM_DIR/db out=$VICTIM_DIR/out
mkfifo "$VICTIM_DIR/fifo"
sqlite3 -batch "$db" <"$VICTIM_DIR/fifo" >"$out" 2>&1 &
sqlite=$!
exec 3>"$VICTIM_DIR/fifo"

# say LINE...: until sqlite3 has answered to it.
say() {
	local mark=answer-$RANDOM
	printf '%s\n' "$@" "select '$mark';" >&3
	until grep -qs "$mark" "$out"; do sleep 0.01; done
}

say "create table t(n integer primary key);" "begin;" "insert into t values (1), (2), (3);"
: >"$VICTIM_DIR/ready"
until [[ -e $VICTIM_DIR/go ]]; do sleep 0.01; done

[[ $(sqlite3 "$db" 'select count(*) from t') == 0 ]] || finish "rows are there before the commit"
sqlite3 "$db" 'begin immediate;' 2>/dev/null && finish "the lock of the transaction is lost"
say "insert into t values (4);" "commit;"
exec 3>&-
wait "$sqlite" || finish "sqlite3 ended with $?: $(<"$out")"
[[ $(sqlite3 "$db" 'select sum(n) from t') == 10 ]] || finish "rows are missing"
finish ok
