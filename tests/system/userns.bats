#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The engine of node2 remaps users: Swarm can't give it an agent, and its tasks are captured all the same. The Swarm's VXLAN has a
# port of its own.

load helpers
load capture
load ssh

setup_file() {
	LAB_SWARM='--data-path-port 7789' lab_up 1
	LAB_ENGINE='"userns-remap": "admin"' lab add >/dev/null
	lab sshd node1
	lab sshd node2
	lab image "$BUILD/image.tar"
	lab workload 4 10
}
teardown_file() { lab_down; }

uris() { tshark -r "$1" -Y http.request -T fields -e http.request.uri 2>/dev/null | grep -xE '/[0-9]{4}' | sort -u | xargs; }

@test "deploy: node1 has an agent, and what to do about node2 is said" {
	docker_on node2 info -f '{{.SecurityOptions}}' | grep -q name=userns
	run -3 --separate-stderr swarmcap deploy --image swarmcap-agent:latest
	[[ "$stderr" == *'node2: no agent answers: '*'user namespaces are enabled'*'without an agent the node is captured over ssh, or by swarmcap on it'* ]]
	[[ "$stderr" == *'node1: agent '*' answers on '* ]]
}

@test "a capture takes ssh to node2: each request is in its task's file, and overlay, ingress and host are there too" {
	local n all='' to
	start users swarmcap capture web network:app ingress node:node2 -o "$SHARE/users.tar"
	armed users
	exec_task client@node1 /workload send web 80 8001 8040 >"$BATS_TEST_TMPDIR/answers"
	stop users
	unpack "$SHARE/users.tar"
	[ "$(manifest '.nodes | map(.name + " " + .route) | sort | join(", ")')" = 'node1 agent, node2 ssh-push' ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	for n in 1 2 3 4; do
		to=$(awk -v t="$(find_task web.$n | cut -d' ' -f1)" '$2 == t { print "/" $3 }' "$BATS_TEST_TMPDIR/answers" | sort | xargs)
		[ "$(uris "$(file_of web.$n)")" = "$to" ]
		[ "$(node_of web.$n)" != node2 ] || all=$all$to
	done
	[ -n "$all" ]
	[ "$(manifest '[.targets[] | select(.node == "node2") | .kind] | unique | join(" ")')" = 'host ingress lb network task' ]
}

@test "the other routes over ssh reach node2's tasks and its host, too" {
	run -0 swarmcap capture web node:node2 --node node2 --route ssh-helper -d 1s -o "$SHARE/helper.tar"
	unpack "$SHARE/helper.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[].packets] | min > 0')" = true ]
	run -0 swarmcap capture web --node node2 --route ssh-nsenter -d 1s -o "$SHARE/nsenter.tar"
	unpack "$SHARE/nsenter.tar"
	[ "$(manifest '[.targets[].packets] | min > 0')" = true ]
}

@test "--vxlan: the overlay's packets on the host, at the port that the Engine says" {
	local host
	start vxlan swarmcap capture node:node1,node2 --vxlan app -o "$SHARE/vxlan.tar"
	armed vxlan
	exec_task client@node1 /workload send web 80 8101 8120 >"$BATS_TEST_TMPDIR/answers"
	stop vxlan
	unpack "$SHARE/vxlan.tar"
	[ "$(manifest '[.targets[].node] | sort | join(" ")')" = 'node1 node2' ]
	host=$unpacked/$(manifest '.targets[] | select(.node == "node2") | .files[0].name')
	[ "$(tshark -r "$host" -T fields -e udp.dstport 2>/dev/null | cut -d, -f1 | sort -u | xargs)" = 7789 ]
	[ "$(tshark -r "$host" -d udp.port==7789,vxlan -T fields -e vxlan.vni 2>/dev/null | sort -u | xargs)" = 4097 ]
	for n in 1 2 3 4; do
		[ "$(node_of web.$n)" != node2 ] || awk -v t="$(find_task web.$n | cut -d' ' -f1)" '$2 == t { print "/" $3 }' "$BATS_TEST_TMPDIR/answers"
	done | sort >"$BATS_TEST_TMPDIR/there"
	[ -s "$BATS_TEST_TMPDIR/there" ]
	tshark -r "$host" -d udp.port==7789,vxlan -Y http.request -T fields -e http.request.uri 2>/dev/null |
		grep -xE '/81[0-9]{2}' | sort -u | cmp - "$BATS_TEST_TMPDIR/there"
}
