#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What selectors mean on a real Swarm: who is captured, once, and with which packets.

load helpers
load capture

# web and client are the stack shop; alone is a container on the overlay, side one in its namespace.
setup_file() {
	capture_lab 3 1
	docker_on node1 service update --detach --label-add com.docker.stack.namespace=shop web >/dev/null
	docker_on node1 service update --detach --label-add com.docker.stack.namespace=shop client >/dev/null
	docker_on node1 service create --detach --quiet --no-resolve-image --network host --mode global --name onhost \
		swarmcap-workload serve 8099 >/dev/null
	docker_on node1 run -d --name alone --network app swarmcap-workload serve 80 >/dev/null
	docker_on node1 run -d --name side --network container:alone swarmcap-workload serve 81 >/dev/null
	wait_for 60 on_every_node onhost
}
teardown_file() { lab_down; }

on_every_node() { [ "$(placed "$1" | grep -c '[0-9a-f]\{64\}$')" -eq 3 ]; }

# who ARG...: what a dry run would capture, as "KIND NODE TASK" per line, sorted
who() {
	swarmcap capture "$@" --dry-run --json |
		jq -r 'select(.event == "target") | "\(.kind) \(.node) \(.task // "-")"' | sort
}
count() { who "$@" | wc -l; }

# uris FILE: the numbered requests in it, each once
uris() { tshark -r "$1" -Y http.request -T fields -e http.request.uri 2>/dev/null | grep -xE '/[0-9]{4}' | sort -u | xargs; }
target_file() { echo "$unpacked/$(manifest ".targets[] | select($1) | .files[0].name")"; }

@test "lists, patterns, exclusions, stacks, tasks: the union, each once" {
	local id far
	[ "$(who web)" = "$(who 'we?' web 'task:web.*' service:web)" ]
	[ "$(count web)" -eq 3 ]
	[ "$(who stack:shop)" = "$(who web,client)" ]
	[ "$(who 'stack:sh*' '!client')" = "$(who web)" ]
	[ "$(who task:web.1,web.3)" = "$(who web '!task:web.2')" ]
	[ "$(count task:web.1,web.3)" -eq 2 ]
	id=$(find_task web.2 | cut -d' ' -f1)
	[ "$(who "task:${id##*.}")" = "$(who task:web.2)" ]
	# on another node than the Engine's, where it is known as the task's only
	far=$(placed web | awk '$2 != "node1" { print; exit }')
	[ "$(who "container:${far##* }")" = "$(who "task:${far%% *}")" ]
	# both onhost and the agent have their hosts' network
	[ "$(count '*')" -eq $((3 + 3 + 3)) ]
	[ "$(count 'node:*' ingress network:app)" -eq 12 ]
}

@test "--node and --tasks narrow" {
	[ "$(who client --node node2)" = "task node2 client.$(docker_on node2 info -f '{{.Swarm.NodeID}}')" ]
	[ "$(who client ingress --node '!node1' | awk '{ print $2 }' | sort -u | xargs)" = 'node2 node3' ]
	[ "$(who web --tasks 2 | awk '{ print $3 }' | xargs)" = "$(who task:web.1,web.2 | awk '{ print $3 }' | xargs)" ]
	[ "$(count web client --tasks 1)" -eq 2 ]
}

@test "a name that does not exist, or means several, is refused before a node is contacted" {
	run -4 --separate-stderr swarmcap capture web '!task:web.9' --dry-run
	[[ "$stderr" == *"there is no task 'web.9' in this Swarm" ]]
	run -4 swarmcap capture 'nosuch*' --dry-run
	run -4 swarmcap capture stack:web --dry-run
	run -4 swarmcap capture node:node9 --dry-run
	run -4 swarmcap capture web --node node9 --dry-run
	run -4 swarmcap capture network:bridge --dry-run
	run -4 swarmcap capture container:nosuch --dry-run
	run -2 swarmcap capture '!web' --dry-run
	run -2 swarmcap capture pod:web --dry-run
}

@test "more targets than --max-targets take --yes" {
	run -2 --separate-stderr swarmcap capture web --max-targets 2 -d 200ms -o "$SHARE/many.tar"
	[[ "$stderr" == *'3 targets on '*' more than --max-targets 2: narrow it with --node or --tasks, or say --yes' ]]
	[ ! -e "$SHARE/many.tar" ]
	run -0 swarmcap capture web --max-targets 2 --yes -d 200ms -o "$SHARE/many.tar"
}

@test "requests 2001 to 2060 are in the client's file, the tasks', the overlay's and the hosts'" {
	local n here there node2=0
	start all swarmcap capture stack:shop network:app node:node1,node2 -o "$SHARE/all.tar"
	armed all
	exec_task client@node1 /workload send web 80 2001 2060 >"$BATS_TEST_TMPDIR/answers"
	stop all
	unpack "$SHARE/all.tar"
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[].kind] | group_by(.) | map("\(.[0]) \(length)") | join(" ")')" = 'host 2 lb 3 network 3 task 6' ]
	all=$(seq -f /%.0f 2001 2060 | xargs)
	here=$(node_of client@node1)
	[ "$here" = node1 ]
	[ "$(uris "$(file_of client@node1)")" = "$all" ]
	[ "$(uris "$(target_file '.kind == "network" and .node == "node1"')")" = "$all" ]
	for n in 1 2 3; do
		there=$(awk -v t="$(find_task web.$n | cut -d' ' -f1)" '$2 == t { print "/" $3 }' "$BATS_TEST_TMPDIR/answers" | sort | xargs)
		[ "$(uris "$(file_of web.$n)")" = "$there" ]
		[ "$(node_of web.$n)" != node2 ] || node2="$node2 $there"
	done
	# VXLAN on both cards, and the overlay's namespace at the other end
	there=$(xargs -n 1 <<<"${node2#0}" | sort | xargs)
	[ -n "$there" ]
	[ "$(uris "$(target_file '.kind == "host" and .node == "node2"')")" = "$there" ]
	[ "$(uris "$(target_file '.kind == "network" and .node == "node2"')")" = "$there" ]
	tshark -r "$(target_file '.kind == "host" and .node == "node1"')" -Y 'vxlan && http.request' -T fields -e vxlan.vni 2>/dev/null |
		sort -u | grep -qx "$(manifest '[.targets[] | select(.kind == "network") | .networks[0].vni] | unique[0]')"
	# interfaces, as ip on the node has them
	[ "$(manifest '.targets[] | select(.kind == "network" and .node == "node1") | .interfaces[] | select(.vni) | "\(.name) \(.vni) \(.master)"')" = 'vxlan0 4097 br0' ]
	[ "$(manifest ".targets[] | select(.task == \"web.1\") | .interfaces[] | select(.name == \"eth0\") | \"\(.peer) \(.mac) \(.mtu) \(.addresses[0])\"")" = \
		"$(in_task web.1 ip -j addr show eth0 | jq -r '.[0] | "\(.link_index) \(.address) \(.mtu) \(.addr_info[0].local)/\(.addr_info[0].prefixlen)"')" ]
	[ "$(manifest '.targets[] | select(.task == "web.1") | .interfaces[] | select(.name == "eth0") | .offloads[0]')" = tx-checksum ]
	manifest '.targets[] | select(.task == "web.1") | .notes[]' | grep -q '(tx-checksum): wrong ones are no fault'
	# names
	find "$unpacked" -name 'node1-host-*.pcapng' | grep -q .
	find "$unpacked" -name 'node2-net.app-*.pcapng' | grep -q .
	find "$unpacked" -name 'node3-lb.app-*.pcapng' | grep -q .
}

@test "a namespace with several names is one file, which has them all" {
	run -0 --separate-stderr swarmcap capture onhost node:node1 container:side,alone -d 300ms -o "$SHARE/names.tar"
	[[ "$stderr" == *"has its host's network"* ]]
	unpack "$SHARE/names.tar"
	[ "$(manifest '[.targets[] | "\(.kind) \(.node)"] | join(", ")')" = \
		'host node1, container node1, task node2, task node3' ]
	[ "$(manifest '.targets[0].names[1]')" = "task onhost.$(docker_on node1 info -f '{{.Swarm.NodeID}}')" ]
	[ "$(manifest '.targets[1].names | sort | join(", ")')" = 'container alone, container side' ]
}

# The filter of -f is for what is inside: outside it would match nothing.
@test "--path: request 4001 is in the client's namespace, both overlays', both hosts' VXLAN and the server's" {
	local task there to f
	read -r task there < <(placed web | awk '$2 != "node1" { sub(/\.[^.]*$/, "", $1); print $1, $2; exit }')
	to=$(in_task "$task" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start path swarmcap capture --path web,client -f 'tcp port 80' -o "$SHARE/path.tar"
	armed path
	exec_task client@node1 /workload send "$to" 80 4001 4001 >/dev/null
	stop path
	unpack "$SHARE/path.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(uris "$(file_of client@node1)")" = /4001 ]
	[ "$(uris "$(file_of "$task")")" = /4001 ]
	for f in node1 "$there"; do
		[ "$(uris "$(target_file ".kind == \"network\" and .node == \"$f\"")")" = /4001 ]
		[ "$(uris "$(target_file ".kind == \"host\" and .node == \"$f\"")")" = /4001 ]
		[ "$(tshark -r "$(target_file ".kind == \"host\" and .node == \"$f\"")" -T fields -e vxlan.vni 2>/dev/null | sort -u | xargs)" = 4097 ]
	done
}

@test "--vxlan takes one overlay's packets off a host; what it publishes makes --path look at ingress, too" {
	docker_on node1 network create --driver overlay other >/dev/null
	docker_on node1 service create --detach --quiet --no-resolve-image --network other --publish 8088:80 --name front \
		--mode global swarmcap-workload serve 80 >/dev/null
	wait_for 60 on_every_node front
	start vxlan swarmcap capture node:node1 --vxlan other -o "$SHARE/vxlan.tar"
	armed vxlan
	exec_task front@node1 /workload send "$(in_task front@node2 ip -4 -o addr | awk '/10\.0\.2\./ { sub("/.*", "", $4); print $4; exit }')" 80 5001 5009 >/dev/null
	exec_task client@node1 /workload send web 80 5101 5120 >/dev/null
	stop vxlan
	unpack "$SHARE/vxlan.tar"
	[ "$(manifest '.targets | length')" -eq 1 ]
	[ "$(uris "$(target_file true)")" = "$(seq -f /%.0f 5001 5009 | xargs)" ]
	[ "$(tshark -r "$(target_file true)" -T fields -e vxlan.vni 2>/dev/null | sort -u | xargs)" = \
		"$(docker_on node1 network inspect -f '{{index .Options "com.docker.network.driver.overlay.vxlanid_list"}}' other)" ]
	who --path front --node node2 >"$BATS_TEST_TMPDIR/who"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/who" | uniq -c | xargs)" = '1 host 1 ingress 1 lb 2 network 1 task' ]
	run -2 swarmcap capture web --vxlan other --dry-run
}

@test "ls --interfaces: as ip has them on the nodes, and only of what is listed" {
	run -0 --separate-stderr swarmcap ls task:web.1 network:app node:node2 --interfaces --json
	[ "$(jq -r 'select(.kind == "interface") | .of' <<<"$output" | sed 's/\.......$//' | sort -u | xargs)" = 'host lb.app net.app web.1' ]
	[ "$(jq -r 'select(.kind == "interface" and .name == "eth0" and (.of | startswith("web.1."))) | "\(.node) \(.mtu) \(.mac) \(.addresses[0])"' <<<"$output")" = \
		"$(node_of web.1) $(in_task web.1 ip -j addr show eth0 | jq -r '.[0] | "\(.mtu) \(.address) \(.addr_info[0].local)/\(.addr_info[0].prefixlen)"')" ]
	[ "$(jq -r 'select(.kind == "interface" and .of == "host") | .name' <<<"$output" | sort | xargs)" = \
		"$(run_on node2 ip -j link | jq -r '.[].ifname' | sort | xargs)" ]
	run -0 --separate-stderr swarmcap ls web --interfaces
	[ "$(grep -c ' eth0 ' <<<"$output")" -eq 3 ]
}

@test "--members finds the containers that were attached to an overlay by hand" {
	local id
	id=$(docker_on node1 inspect -f '{{.Id}}' alone)
	[ "$(count network:app)" -eq 6 ]
	[ "$(count network:app --members)" -eq $((6 + 6 + 1)) ]
	start members swarmcap capture network:app --members '!client' -o "$SHARE/members.tar"
	armed members
	exec_task client@node3 /workload send "$(docker_on node1 inspect -f '{{.NetworkSettings.Networks.app.IPAddress}}' alone)" 80 3001 3010
	stop members
	unpack "$SHARE/members.tar"
	[ "$(uris "$(target_file ".container_id == \"$id\"")")" = "$(seq -f /%.0f 3001 3010 | xargs)" ]
	[ "$(uris "$(file_of web.1)")" = '' ]
}

@test "our own traffic is in no host's capture while a large one is fetched" {
	local n to
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start judge run_on node2 tcpdump -i eth0 -U -w "$SHARE/judge.pcap" 'tcp port 9473'
	wait_for 30 grep -q 'listening on' "$BATS_TEST_TMPDIR/judge.err"
	start hosts swarmcap capture 'node:*' -o "$SHARE/hosts.tar"
	armed hosts
	start large swarmcap capture web -o "$SHARE/large.tar"
	armed large
	exec_task "client@$(node_of web.1)" /workload flood "$to" 80 20000 1400
	# shellcheck disable=SC2016 # for the shell there
	for n in 1 2 3; do
		run_on node$n bash -c 'for i in {1..5}; do echo "$i" >"/dev/udp/$1/4444"; done' - "$LAB_NET.$((11 + n % 3))"
	done
	stop large
	stop hosts
	stop judge
	unpack "$SHARE/large.tar"
	# of 28 MB; a sanitizer's agent on a busy machine may drop some, which is no matter here
	[ "$(manifest '[.targets[].files[].bytes] | add')" -gt $((10 << 20)) ]
	rm -r "$unpacked" "$SHARE/large.tar"
	unpack "$SHARE/hosts.tar"
	# it was there, and so is what else the hosts did
	[ "$(tshark -r "$SHARE/judge.pcap" 2>/dev/null | wc -l)" -gt 20 ]
	for n in 1 2 3; do
		[ "$(tshark -r "$(target_file ".node == \"node$n\"")" -Y 'tcp.port == 9473' 2>/dev/null | wc -l)" -eq 0 ]
		[ "$(tshark -r "$(target_file ".node == \"node$n\"")" -Y "ip.src == $LAB_NET.$((10 + n)) && udp.dstport == 4444 && !icmp" 2>/dev/null |
			wc -l)" -eq 5 ]
	done
}

@test "ingress: what is sent inside of ingress_sbox is there; a node without one is told, and no failure" {
	local sbox=/var/run/docker/netns/ingress_sbox
	start ingress swarmcap capture ingress -f 'udp port 4444' -o "$SHARE/ingress.tar"
	armed ingress
	run_on node2 nsenter --net="$sbox" bash -c 'for i in {1..7}; do echo "number $i" >/dev/udp/172.18.0.1/4444; done'
	stop ingress
	unpack "$SHARE/ingress.tar"
	[ "$(manifest '[.targets[].kind] | join(" ")')" = 'ingress ingress ingress' ]
	[ "$(tshark -r "$(target_file '.node == "node2"')" -T fields -e data.text -o data.show_as_text:true 2>/dev/null |
		grep -o 'number [0-9]' | xargs)" = "$(printf 'number %s\n' {1..7} | xargs)" ]
	[ "$(tshark -r "$(target_file '.node == "node1"')" 2>/dev/null | wc -l)" -eq 0 ]

	run_on node3 sh -c "umount $sbox && rm $sbox"
	run -0 swarmcap capture ingress -d 200ms -o "$SHARE/without.tar"
	unpack "$SHARE/without.tar"
	[ "$(manifest '.targets | length')" -eq 2 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '.notes | join(" ")')" = 'node node3 has no ingress: nothing there uses it' ]
}
