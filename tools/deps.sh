# shellcheck shell=bash disable=SC2034
# The Debian packages that building, testing and linting take. Sourced by make demo, make test and
# .ci/run.

deps_build=(gcc make pkg-config libc6-dev libcap-dev libseccomp-dev libcgroup-dev libjansson-dev
	libxxhash-dev libzstd-dev liblz4-dev libmnl-dev libnftables-dev
	libarchive-dev nettle-dev)
deps_test=(bats bubblewrap gcc-multilib parallel uidmap util-linux procps iproute2 nftables python3 perl
	sqlite3 redis-server
	postgresql nginx nodejs default-jdk-headless tmux vim-tiny
	golang-github-containers-common runc crun podman skopeo docker-registry
	busybox-static)
deps_lint=(clang llvm libclang-rt-dev zstd clang-format cppcheck shellcheck mandoc)

deps_missing() {
	local package
	for package; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
			printf '%s\n' "$package"
	done
}

# deps_install PACKAGE...: as root, installs those that are missing; else names them.
deps_install() {
	local missing
	command -v dpkg-query >/dev/null || return 0
	mapfile -t missing < <(deps_missing "$@")
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		printf 'missing packages: %s\n' "${missing[*]}" >&2
		return 1
	fi
	apt-get -q update &&
		DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "${missing[@]}"
}
