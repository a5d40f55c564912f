#!/usr/bin/env bash
# tail -F, which sleeps in inotify, follows a file that grows, is replaced, and grows again.
set -u
cd "$VICTIM_DIR" || exit 1

fail() {
	printf '%s' "$1" >result.draft
	mv result.draft result
	exit 1
}

# wait_line LINE: until tail has told of it.
wait_line() {
	for ((n = 0; n < 2000; n++)); do
		[[ $(tail -n 1 told) == "$1" ]] && return
		sleep 0.01
	done
	fail "tail told '$(tail -n 1 told)', not '$1'"
}

echo first >log.txt
# Without inotify, tail would look once in an hour.
tail -F -s 3600 log.txt >told 2>/dev/null &
wait_line first
echo second >>log.txt
wait_line second
[[ $(readlink /proc/$!/fd/* 2>/dev/null) == *inotify* ]] || fail "tail does not use inotify"
: >ready

until [[ -e go ]]; do sleep 0.01; done
echo third >>log.txt
wait_line third
mv log.txt old.txt
echo fourth >log.txt
wait_line fourth
echo fifth >>log.txt
wait_line fifth
kill $!
printf ok >result.draft
mv result.draft result
