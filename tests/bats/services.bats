#!/usr/bin/env bats
# Services as people run them, under load by clients inside of the container, who notice no error.

load helper

SERVICES=$(cd "$BATS_TEST_DIRNAME/../services" && pwd)

# service_start FILE [OPTION of run...]: a program in tests/services, at work when this returns.
service_start() {
	victim_dir_share
	local file=$SERVICES/$1 command
	mkdir -p "$VICTIM_DIR/data"
	shift
	# Root's containers have all ids anyway.
	[[ $EUID != 0 || ${1:-} != --userns ]] || shift 2
	case $file in
	*.py) command=(python3 "$file") ;;
	*.js) command=(node "$file") ;;
	*.java) command=(java -Xmx256m "$file") ;;
	esac
	# shellcheck disable=SC2016 # for the shell in the container
	[[ -z ${OWN_FILES:-} ]] ||
		command=(sh -c 'mount -t tmpfs none /dev/shm && mount -t tmpfs none "$VICTIM_DIR/data" &&
			exec "$@"' - "${command[@]}")
	ctckpt run --detach --name "$VICTIM" --log "$VICTIM_DIR/log" "$@" -- "${command[@]}" \
		>"$VICTIM_DIR/name" || fail "$VICTIM did not start"
	victim_await ready result || return
	[[ -e $VICTIM_DIR/ready ]] || victim_failed "before the checkpoint"
}

# Every copy has its own answer.
all_succeed() {
	local pids=() pid result count=0
	mapfile -t pids < <(ctckpt ps --engine ctckpt | awk 'NR > 1 { print $2 }')
	((${#pids[@]} == $1)) || fail "${#pids[@]} of $1 are left" "$(cat "$VICTIM_DIR"/result.*.all)" \
		"$(<"$VICTIM_DIR/log")" || return
	: >"$VICTIM_DIR/go"
	for pid in "${pids[@]}"; do
		"$AWAIT" -t 150 -p "$pid" || victim_failed "to end"
	done
	for result in "$VICTIM_DIR"/result.*.all; do
		[[ $(<"$result") == ok ]] || fail "$(<"$result")" "$(<"$VICTIM_DIR/log")"
		((count += 1))
	done
	assert_equal "$count" "$1"
}

comes_back() {
	service_start "$@"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map "$IMAGE"
	all_succeed 1
}

lives_for_generations() {
	service_start "$@"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run -0 ctckpt checkpoint --force "$VICTIM" -o "$IMAGE"
		run -0 ctckpt restore --detach --policy map "$IMAGE"
	done
	all_succeed 1
}

# Each copy has files of its own, in a tmpfs that is part of the image.
has_twins() {
	local OWN_FILES=1
	service_start "$@"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach --policy map --name "$VICTIM-a" "$IMAGE"
	run -0 ctckpt restore --detach --policy map --name "$VICTIM-b" "$IMAGE"
	all_succeed 3
}

# Between checkpoint and restore its root directory goes elsewhere: other inodes, other mounts.
moves() {
	local root=$BATS_TEST_TMPDIR/root dir volumes
	mkdir -p "$root"/{usr,etc,proc,sys,dev,tmp,run,var,srv} "$root$VICTIM_DIR" "$root$SERVICES"
	chmod a+rwx "$root/srv" "$root/tmp"
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	volumes=(--volume /usr:/usr:ro --volume /etc:/etc:ro --volume "$VICTIM_DIR:$VICTIM_DIR"
		--volume "$SERVICES:$SERVICES:ro")
	export SERVICE_DATA=/srv
	service_start "$@" --rootfs "$root" "${volumes[@]}"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	cp -a "$root" "$root.moved"
	rm -rf "$root"
	run -0 ctckpt restore --detach --policy map --rootfs "$root.moved" "${volumes[@]}" "$IMAGE"
	all_succeed 1
}

# bats test_tags=root
@test "services: redis with pipelined clients" {
	requires cmd-redis-server
	comes_back redis.py
}

@test "services: redis with pipelined clients, ten generations" {
	requires cmd-redis-server
	lives_for_generations redis.py
}

@test "services: redis with pipelined clients, twins beside the original" {
	requires cmd-redis-server
	has_twins redis.py
}

@test "services: redis with pipelined clients, in another root directory" {
	requires cmd-redis-server
	moves redis.py
}

# bats test_tags=root
@test "services: PostgreSQL with pgbench" {
	requires cmd-pgbench
	comes_back postgres.py --userns keep-id
}

@test "services: PostgreSQL with pgbench, ten generations" {
	requires cmd-pgbench
	lives_for_generations postgres.py --userns keep-id
}

@test "services: PostgreSQL with pgbench, twins beside the original" {
	requires cmd-pgbench user subuid
	has_twins postgres.py --userns auto
}

@test "services: PostgreSQL with pgbench, in another root directory" {
	requires cmd-pgbench
	moves postgres.py --userns keep-id
}

# bats test_tags=root
@test "services: nginx with clients that keep their connections" {
	requires cmd-nginx
	comes_back nginx.py --userns keep-id
}

@test "services: nginx with clients that keep their connections, ten generations" {
	requires cmd-nginx
	lives_for_generations nginx.py --userns keep-id
}

@test "services: nginx with clients that keep their connections, twins beside the original" {
	requires cmd-nginx
	has_twins nginx.py --userns auto
}

@test "services: nginx with clients that keep their connections, in another root directory" {
	requires cmd-nginx
	moves nginx.py --userns keep-id
}

# bats test_tags=root
@test "services: node with timers, sockets and workers" {
	requires cmd-node
	comes_back workers.js
}

@test "services: node with timers, sockets and workers, ten generations" {
	requires cmd-node
	lives_for_generations workers.js
}

@test "services: node with timers, sockets and workers, twins beside the original" {
	requires cmd-node
	has_twins workers.js
}

@test "services: node with timers, sockets and workers, in another root directory" {
	requires cmd-node
	moves workers.js
}

# bats test_tags=root
@test "services: a JVM that allocates" {
	requires cmd-java
	comes_back Allocate.java
}

@test "services: a JVM that allocates, ten generations" {
	requires cmd-java
	lives_for_generations Allocate.java
}

@test "services: a JVM that allocates, twins beside the original" {
	requires cmd-java
	has_twins Allocate.java
}

@test "services: a JVM that allocates, in another root directory" {
	requires cmd-java
	moves Allocate.java
}

# bats test_tags=root
@test "services: asyncio and multiprocessing" {
	requires cmd-python3
	comes_back loops.py
}

@test "services: asyncio and multiprocessing, ten generations" {
	requires cmd-python3
	lives_for_generations loops.py
}

@test "services: asyncio and multiprocessing, twins beside the original" {
	requires cmd-python3
	has_twins loops.py
}

@test "services: asyncio and multiprocessing, in another root directory" {
	requires cmd-python3
	moves loops.py
}

# bats test_tags=root
@test "services: tmux with vim" {
	requires cmd-tmux
	comes_back editor.py
}

@test "services: tmux with vim, ten generations" {
	requires cmd-tmux
	lives_for_generations editor.py
}

@test "services: tmux with vim, twins beside the original" {
	requires cmd-tmux
	has_twins editor.py
}

@test "services: tmux with vim, in another root directory" {
	requires cmd-tmux
	moves editor.py
}

# bats test_tags=root
@test "services: make -j" {
	requires cmd-make
	comes_back build.py
}

@test "services: make -j, ten generations" {
	requires cmd-make
	lives_for_generations build.py
}

@test "services: make -j, twins beside the original" {
	requires cmd-make
	has_twins build.py
}

@test "services: make -j, in another root directory" {
	requires cmd-make
	moves build.py
}

# bats test_tags=root
@test "services: two hosts in network namespaces" {
	requires cmd-ip
	comes_back hosts.py
}

@test "services: two hosts in network namespaces, ten generations" {
	requires cmd-ip
	lives_for_generations hosts.py
}

@test "services: two hosts in network namespaces, twins beside the original" {
	requires cmd-ip
	has_twins hosts.py
}

@test "services: two hosts in network namespaces, in another root directory" {
	requires cmd-ip
	moves hosts.py
}
