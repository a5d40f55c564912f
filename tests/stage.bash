# shellcheck shell=bash disable=SC2154
# Sourced by what runs tests: $top is the repository, $stage becomes the directory where they run.

# An ordinary user may not be able to read where this repository lies.
make_stage() {
	local build=$top/build
	stage=$(mktemp -d "${TMPDIR:-/tmp}/ctckpt-test.XXXXXX")
	chmod 0755 "$stage"
	mkdir "$stage/build" "$stage/home"
	cp -r "$build/ctckpt" "$build/restore-init" "$build/victim" "$build/unit" "$build/tests" "$stage/build"
	cp -r "$top/tests" "$top/man" "$top/README.md" "$stage"
	chmod -R a+rX "$stage"
}
