#!/usr/bin/env bats
load helper

FORGE=$BUILD/tests/forge
PATH=$PATH:/usr/sbin:/sbin

# net_run COMMAND...: in the victim's network, or in that of the process NET_PID.
net_run() {
	timeout 100 nsenter --preserve-credentials --user --net \
		--target "${NET_PID:-$(container_pid "${NAME:-$VICTIM}")}" -- "$@"
}

# Of the victim's network, and then of those of its children.
net_show_all() {
	local init NET_PID
	init=$(container_pid "${NAME:-$VICTIM}")
	for NET_PID in "$init" $(<"/proc/$init/task/$init/children"); do
		net_show
	done
}

# All that can be seen of the network, without what goes on by itself.
net_show() {
	# shellcheck disable=SC2016 # for the other shell
	net_run sh -c '
		set -e
		ip -details -json link | tr "," "\n" |
			grep -vE "_timer\"|\"topology_change|\"(bridge|root)_id\"|\"operstate\"|\"state\"|\"link_netnsid\""
		for family in -4 -6; do
			ip $family -json addr | tr "," "\n" | grep -vE "_life_time|\"operstate\""
			ip $family -details route show table all | sort
			ip $family rule
			ip $family neigh show nud permanent | sort
			ip $family neigh show proxy | sort
		done
		bridge fdb | grep -v self | sort
		nft list ruleset 2>/dev/null | sed "s/packets [0-9]* bytes [0-9]*/counter/"
		cd /proc/sys/net
		find . -type f ! -name nf_conntrack_count -print0 | sort -z | xargs -0 grep -s . ||:
	' 2>&1
}

# net_start COMMAND [INTERFACE...]: a container with such a network; what there is of it, in $BEFORE.
net_start() {
	requires cmd-ip cmd-nft cmd-nsenter
	victim_start ns_net "set -e; PATH=\$PATH:/usr/sbin:/sbin; $1" "${@:2}"
	BEFORE=$BATS_TEST_TMPDIR/before
	net_settles
}

# What the kernel does in a worker of its own takes its time.
net_is_the_same() {
	local i
	for ((i = 0; i < 100; i++)); do
		net_show_all >"$BATS_TEST_TMPDIR/after"
		! cmp -s "$BEFORE" "$BATS_TEST_TMPDIR/after" || return 0
		read -rt 0.1 <> <(:) || true
	done
	diff "$BEFORE" "$BATS_TEST_TMPDIR/after" || fail "the network is another one"
}

# Until two looks at it, a second apart, are the same, and no address is on trial.
net_settles() {
	local i
	for ((i = 0; i < 30; i++)); do
		net_show_all >"$BEFORE"
		read -rt 1 <> <(:) || true
		grep -q tentative "$BEFORE" || ! net_show_all | cmp -s "$BEFORE" - || return 0
	done
}

net_survives() {
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE"
	assert_equal "$stderr" ""
	net_is_the_same
	victim_succeeds
}

net_is_refused() {
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	assert_contains "$output" "$1"
	victim_succeeds
}

@test "ns_net: the loopback interface is up, and alone" {
	victim_start ns_net
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	victim_succeeds
}

@test "ns_net: a loopback interface that is down, without an address" {
	net_start 'ip link set lo down; ip addr flush dev lo; ip link set lo mtu 1280'
	net_survives
}

@test "ns_net: a pair of veth with names, addresses and numbers of its own" {
	net_start '
		ip link add one index 77 type veth peer name two index 33
		ip link set one address 02:00:00:00:00:01 mtu 1400 txqueuelen 55 group 5 alias "the one"
		ip link set one up; ip link set two arp off promisc on up
		ip addr add 10.0.0.1/24 dev one; ip addr add 10.0.0.2/24 brd + dev two
		ip addr add 10.0.0.3/24 dev one; ip addr add fd00::1/64 dev one'
	net_survives
}

BRIDGE='
	ip link add br0 type bridge ageing_time 12345 stp_state 0 priority 4096 mcast_querier 1
	ip link add v0 type veth peer name v1
	ip link set v0 master br0
	ip link set v0 type bridge_slave cost 77 hairpin on learning off priority 12
	ip addr add 10.1.2.3/24 dev br0; ip addr add fd00::1/64 dev br0 nodad
	ip addr add 192.168.5.1/24 dev v1
	ip link set br0 up; ip link set v0 up; ip link set v1 up
	bridge fdb add 02:aa:00:00:00:01 dev v0 master static
	ip neigh add 10.1.2.77 lladdr 02:01:02:03:04:05 dev br0 nud permanent
	ip neigh add proxy 10.1.2.78 dev br0'

@test "ns_net: a bridge with a port, and its neighbours" {
	net_start "$BRIDGE"
	net_survives
}

@test "ns_net: a bridge with an address of its own" {
	net_start '
		ip link add br0 type bridge; ip link set br0 address 02:00:00:00:00:99
		ip link add v0 type veth peer name v1; ip link set v0 master br0; ip link set br0 up'
	net_survives
}

# Two more network namespaces, each with a process that does nothing in it.
HOSTS='
	for i in 1 2; do
		mkfifo "$VICTIM_DIR/fifo$i"
		unshare --net sh -c "echo >\"\$0\"; exec sleep 1000" "$VICTIM_DIR/fifo$i" &
		eval "host$i=$!"
		read -r _ <"$VICTIM_DIR/fifo$i"
	done
	in_host() { local pid=$1; shift; nsenter --net --target "$pid" "$@"; }'

@test "ns_net: a bridge with hosts in other network namespaces" {
	net_start "$HOSTS"'
		ip link add br0 type bridge; ip link set br0 up; ip address add 10.1.0.254/24 dev br0
		for i in 1 2; do
			eval "pid=\$host$i"
			ip link add "port$i" index $((40 + i)) type veth \
				peer name eth0 mtu 1400 netns "$pid"
			ip link set "port$i" master br0; ip link set "port$i" up
			in_host "$pid" ip link set lo up
			in_host "$pid" ip address add "10.1.0.$i/24" dev eth0
			in_host "$pid" ip address add "fd01::$i/64" dev eth0 nodad
			in_host "$pid" ip link set eth0 up
			in_host "$pid" ip route add default via 10.1.0.254
			in_host "$pid" ip -6 route add default via fd01::254
		done'
	net_survives
}

@test "ns_net: a pair of veth between two other network namespaces" {
	net_start "$HOSTS"'
		in_host "$host1" ip link add one index 77 type veth \
			peer name two index 33 address 02:00:00:00:00:02 netns "$host2"
		in_host "$host1" ip link set one address 02:00:00:00:00:01 txqueuelen 55 up
		in_host "$host1" ip address add 10.0.0.1/24 dev one
		in_host "$host2" ip address add 10.0.0.2/24 dev two
		in_host "$host2" sysctl -qw net.ipv4.ip_forward=1'
	net_survives
}

@test "ns_net: an ifb" {
	unshare -Urn ip link add ifb7 type ifb 2>/dev/null || skip "requires the kernel's ifb"
	net_start 'ip link add ifb7 type ifb; ip addr add 10.3.3.3/32 dev ifb7; ip link set ifb7 up'
	net_survives
}

@test "ns_net: a dummy" {
	unshare -Urn ip link add d0 type dummy 2>/dev/null || skip "requires the kernel's dummy"
	net_start 'ip link add d0 type dummy; ip addr add 10.3.3.3/32 dev d0; ip link set d0 up'
	net_survives
}

@test "ns_net: a vlan" {
	unshare -Urn sh -c 'ip link add v0 type veth peer v1; ip link add link v0 v0.5 type vlan id 5' \
		2>/dev/null || skip "requires the kernel's vlan"
	net_start '
		ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
		ip link add link v0 name v0.5 type vlan id 5; ip link set v0.5 up
		ip addr add 10.4.4.4/24 dev v0.5'
	net_survives
}

@test "ns_net: offloads" {
	net_start 'ip link set lo up
		ip link add one type veth peer name two; ip link add br0 type bridge
		ip link set two master br0; ip link set one up; ip link set two up; ip link set br0 up' \
		lo one br0
	net_survives
}

@test "ns_net: offloads that cannot be set are said" {
	local place
	net_start 'ip link set lo up'
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	place=$(net_place "tx-gso-list")
	run -0 "$FORGE" edit "$IMAGE" "$IMAGE.forged" "NNET+$place:2=@qq"
	run -0 --separate-stderr ctckpt restore --detach "$IMAGE.forged"
	assert_contains "$stderr" "network interface lo: offload qq-gso-list is not on as before"
	victim_succeeds
}

@test "ns_net: routes of all tables, and rules" {
	net_start "$BRIDGE"'
		ip route add 172.16.0.0/16 via 10.1.2.9
		ip route add 172.17.0.0/16 nexthop via 10.1.2.9 weight 2 nexthop via 192.168.5.7 weight 3
		ip route add 172.18.0.0/16 via 172.16.1.1 onlink dev br0
		ip route add default via 10.1.2.254 metric 55 mtu 1300 initcwnd 20 proto static
		ip route add default via 10.1.2.253 metric 56 src 10.1.2.3
		ip route add blackhole 203.0.113.0/24 table 77
		ip route add throw 203.0.114.0/24 table 1077
		ip -6 route add fd11::/48 via fd00::9
		ip -6 route add fd12::/48 nexthop via fd00::9 nexthop via fd00::a
		ip -6 route add unreachable fd13::/48 metric 7
		ip rule add from 10.9.0.0/16 lookup 77 prio 1000
		ip rule add not fwmark 5/7 ipproto tcp dport 80-90 lookup 1077 prio 1001
		ip rule add iif v1 oif br0 goto 32766 prio 5
		ip rule del lookup default
		ip -6 rule add uidrange 0-0 lookup 88 suppress_prefixlength 3'
	net_survives
}

@test "ns_net: settings" {
	net_start "$BRIDGE"'
		cd /proc/sys/net
		echo 1 >ipv4/ip_forward; echo 0 >ipv4/conf/br0/forwarding
		echo 2 >ipv4/conf/v1/rp_filter; echo 2000 3000 >ipv4/ip_local_port_range
		echo 1 >ipv6/conf/all/forwarding; echo 0 >ipv6/conf/default/forwarding
		echo 1 >ipv6/conf/v1/disable_ipv6; echo 77 >ipv4/neigh/br0/unres_qlen
		echo 200 >ipv4/ip_unprivileged_port_start'
	net_survives
}

NFTABLES='
	nft -f - <<-RULES
		table inet t {
			set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.1 }; }
			map m { type inet_service : verdict; elements = { 22 : accept, 23 : drop }; }
			counter c { packets 5 bytes 100; }
			quota q { over 100 mbytes; }
			chain in {
				type filter hook input priority 0; policy accept;
				ip saddr @s counter packets 7 bytes 900 accept
				tcp dport vmap @m
				tcp dport { 80, 443 } counter name c accept comment "hello"
				iifname "lo" ct state established,related accept
				limit rate 5/second burst 3 packets log prefix "a b" accept
				meta skuid 0 jump other
			}
			chain other { ip6 daddr fd00::/8 reject with icmpv6 type admin-prohibited; }
			chain nat { type nat hook postrouting priority 100; oifname "br0" masquerade; }
		}
		table bridge b { chain c { ether type arp drop; }; }
	RULES'

@test "ns_net: rules of nftables" {
	net_start "$BRIDGE; $NFTABLES"
	assert_contains "$(<"$BEFORE")" "admin-prohibited"
	net_survives
}

@test "ns_net: counters of nftables go on" {
	net_start "$NFTABLES"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	assert_contains "$(net_run nft list ruleset)" "counter packets 7 bytes 900 accept"
	assert_contains "$(net_run nft list counters)" "packets 5 bytes 100"
	victim_succeeds
}

@test "ns_net: a checkpoint leaves the network alone" {
	net_start "$BRIDGE; $NFTABLES"
	run -0 ctckpt checkpoint --leave-running "$VICTIM" -o "$IMAGE"
	net_is_the_same
	victim_succeeds
}

# An image of this version whose network is another one.
forge_net() {
	"$FORGE" edit "$IMAGE" "$IMAGE.evil" "$@" || fail "cannot forge $*"
	CTCKPT_TIMEOUT=20 run --separate-stderr ctckpt restore --detach "$IMAGE.evil"
}

rejects() {
	local text=$1
	shift
	forge_net "$@"
	((status == 4)) || fail "$* ends with $status: $stderr" || return
	assert_contains "$stderr" "$text"
	assert_equal "$(ctckpt ps --quiet)" ""
}

# The first item is lo: 8 bytes of an item, 40 of the link, then attributes.
@test "ns_net: forged interfaces" {
	net_start "$BRIDGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	rejects "ns_net: a thing that is not known" NNET+0:4=99
	rejects "ns_net:" NNET+4:4=0xfffffff0
	rejects "ns_net:" NNET+4:4=7
	rejects "impossible index" NNET+8:4=0
	rejects "impossible index" NNET+8:4=0x80000000
	rejects "impossible place" NNET+8:4=2
	rejects "impossible network interface" NNET+12:4=99
	rejects "impossible place" NNET+12:4=2
	rejects "impossible flags" NNET+16:4=0xffffffff
	rejects "impossible place" NNET+20:4=3
	rejects "impossible place" NNET+24:4=1
	rejects "impossible network interface" NNET+32:4=0xfffffffc
	rejects "impossible network interface" NNET+44:4=1
	# IFLA_ADDRESS made IFLA_NET_NS_PID, IFLA_NET_NS_FD, IFLA_XDP; of impossible sizes
	rejects "impossible attribute" NNET+48:2=19
	rejects "impossible attribute" NNET+48:2=28
	rejects "impossible attribute" NNET+48:2=43
	rejects "impossible attribute" NNET+50:2=0xffff
	rejects "impossible attribute" NNET+50:2=0
}

@test "ns_net: a forged name of a setting or rule" {
	local place
	net_start "$NFTABLES"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	place=$(net_place "ipv4/ip_forward")
	rejects "impossible setting" "NNET+$place:15=@/etc/passwd"
	rejects "impossible setting" "NNET+$place:15=@ipv4/../ip_for"
	rejects "impossible setting" "NNET+$place:15=@ipv4//ip_forwar"
	place=$(net_place "tx-gso-list")
	rejects "impossible offload" "NNET+$((place - 1)):1=@*"
	rejects "impossible offload" "NNET+$place:1=0x20"
	rejects "impossible offload" "NNET+$place:1=0"
	place=$(net_place '{"nftables"')
	rejects "impossible rules of nftables" "NNET+$place:1=0x20"
	rejects "impossible rules of nftables" "NNET+$((place + 2)):8=@nftablet"
	place=$(net_place '{"table"')
	rejects "impossible rules of nftables" "NNET+$((place + 2)):5=@flush"
	rejects "impossible rules of nftables" "NNET+$((place + 2)):5=@reset"
}

# Where this text is in the record.
net_place() {
	local start
	start=$("$FORGE" list "$IMAGE" | awk '$1 == "NNET" { print $3 }')
	echo $(($(grep -obaF -m 1 "$1" "$IMAGE" | head -n 1 | cut -d: -f1) - start))
}

@test "ns_net: restored twice at the same time" {
	net_start "$BRIDGE; $NFTABLES"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt restore --detach --name "$VICTIM-b" "$IMAGE"
	net_is_the_same
	NAME=$VICTIM-b net_is_the_same
	victim_succeeds
}

@test "ns_net: a second checkpoint of a restored network" {
	net_start "$BRIDGE; $NFTABLES"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	run -0 ctckpt restore --detach "$IMAGE"
	run -0 ctckpt checkpoint "$VICTIM" -o "$IMAGE.2"
	run -0 ctckpt restore --detach "$IMAGE.2"
	net_is_the_same
	victim_succeeds
}

@test "ns_net: a veth whose other end is outside of the container is refused" {
	local holder own i
	net_start 'ip link add v0 type veth peer name v1'
	# shellcheck disable=SC2016 # for the other shell
	holder=$(net_run sh -c 'unshare -n sleep 300 >/dev/null 2>&1 & echo $!')
	own=$(net_run readlink /proc/self/ns/net)
	for ((i = 0; i < 300; i++)); do
		[[ $(net_run readlink "/proc/$holder/ns/net") == "$own" ]] || break
		read -rt 0.1 <> <(:) || true
	done
	net_run ip link set v1 netns "$holder"
	run -3 ctckpt checkpoint "$VICTIM" -o "$IMAGE"
	kill "$holder"
	assert_contains "$output" \
		"network interface v0 (veth) has its other end outside of the container"
	victim_succeeds
}

@test "ns_net: more routes than an image may hold are refused" {
	requires cmd-ip cmd-nsenter
	victim_start ns_net true
	awk 'BEGIN { for (i = 0; i <= 131072; i++)
		printf "route add blackhole 10.%d.%d.%d\n", i / 65536, i / 256 % 256, i % 256 }' \
		>"$BATS_TEST_TMPDIR/routes"
	net_run ip -batch "$BATS_TEST_TMPDIR/routes"
	net_is_refused "there is more in the network namespace than an image may hold"
}

@test "ns_net: a macvlan is refused" {
	net_start 'ip link add v0 type veth peer name v1'
	net_run ip link add link v0 name m0 type macvlan || skip "requires the kernel's macvlan"
	net_is_refused "network interface m0 (macvlan) is not supported"
}

@test "ns_net: a tun is refused" {
	requires root
	net_start 'true'
	nsenter --target "$(container_pid "$VICTIM")" --net ip tuntap add t0 mode tun ||
		skip "requires the kernel's tun"
	net_is_refused "network interface t0 (tun) leads outside of the container"
}

@test "ns_net: a queueing discipline is refused" {
	net_start 'ip link add v0 type veth peer name v1'
	net_run tc qdisc add dev v0 root handle 5: tbf rate 1mbit burst 10k latency 50ms ||
		skip "requires the kernel's tbf"
	net_is_refused "queueing discipline tbf of network interface v0 is not supported"
}

@test "ns_net: a nexthop object is refused" {
	net_start "$BRIDGE"
	net_run ip nexthop add id 5 via 10.1.2.3 dev br0 2>/dev/null ||
		net_run ip nexthop add id 5 blackhole || skip "requires the kernel's nexthops"
	net_is_refused "nexthop objects are not supported"
}

@test "ns_net: another name of an interface is refused" {
	net_start 'ip link add v0 type veth peer name v1; ip link property add dev v0 altname other'
	net_is_refused "network interface v0: another name of it is not supported"
}

@test "ns_net: IPsec is refused" {
	net_start true
	net_run ip xfrm policy add dir out src 10.0.0.0/8 dst 10.0.0.0/8 2>/dev/null ||
		skip "requires the kernel's xfrm"
	net_is_refused "IPsec policies are not supported"
}

@test "ns_net: a dormant table of nftables is refused" {
	net_start 'nft "add table inet sleeper { flags dormant; }"'
	net_is_refused "nftables table sleeper, which is dormant or somebody's own, is not supported"
}

@test "ns_net: rules of iptables are refused" {
	requires cmd-iptables-legacy
	net_start true
	XTABLES_LOCKFILE=$BATS_TEST_TMPDIR/lock net_run iptables-legacy -A INPUT -j ACCEPT || skip "requires the kernel's iptables"
	net_is_refused "rules of iptables-legacy (iptables) are not supported"
}
