#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# No agent is deployed: hosts are captured over ssh, and the ssh of the run itself is in none of the files.

load helpers
load capture
load ssh

setup_file() {
	ssh_lab 3
}
teardown() { after_failure; calm; }
teardown_file() { lab_down; }

target_file() { echo "$unpacked/$(manifest ".targets[] | select($1) | .files[0].name")"; }

# Beside each capture a tcpdump of the card of $1 judges.
judged() {
	start judge run_on "$1" tcpdump -i eth0 -U -w "$SHARE/judge.pcap" 'tcp port 22'
	wait_for 30 grep -q 'listening on' "$BATS_TEST_TMPDIR/judge.err"
}
packets_of() { tshark -r "$1" -Y "$2" 2>/dev/null | wc -l; }

@test "node:* from node1: local there, ssh-push to the others; no ssh of ours in any host's file" {
	local n
	judged node2
	start hosts swarmcap capture 'node:*' -o "$SHARE/hosts.tar"
	armed hosts
	exec_task client@node2 /workload send web 80 6001 6030 >/dev/null
	stop hosts
	stop judge
	unpack "$SHARE/hosts.tar"
	[ "$(manifest '.nodes | map(.name + " " + .route) | sort | join(", ")')" = 'node1 local, node2 ssh-push, node3 ssh-push' ]
	[ "$(packets_of "$SHARE/judge.pcap" tcp)" -gt 20 ]
	for n in node1 node2 node3; do
		[ "$(packets_of "$(target_file ".node == \"$n\"")" 'tcp.port == 22')" -eq 0 ]
		[ "$(packets_of "$(target_file ".node == \"$n\"")" vxlan)" -gt 0 ]
	done
	nothing_left
}

@test "from a laptop: the session to the manager, and what goes on from there" {
	local n
	judged node1
	start hosts "$top/tests/lab/lab" laptop "$BUILD/swarmcap" -H ssh://admin@node1 capture node:node1,node3 -o "$SHARE/far.tar"
	armed hosts
	exec_task client@node1 /workload send web 80 6101 6130 >/dev/null
	stop hosts
	stop judge
	unpack "$SHARE/far.tar"
	[ "$(packets_of "$SHARE/judge.pcap" tcp)" -gt 20 ]
	for n in node1 node3; do
		[ "$(packets_of "$(target_file ".node == \"$n\"")" 'tcp.port == 22')" -eq 0 ]
		[ "$(packets_of "$(target_file ".node == \"$n\"")" vxlan)" -gt 0 ]
	done
	nothing_left
}
