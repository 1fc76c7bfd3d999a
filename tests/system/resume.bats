#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A capture outlives its agent: killed, updated, again; limits hold, and the gap is told. A tcpdump beside counts.

load helpers
load capture
load faults

setup_file() { capture_lab 3 10; }
teardown_file() { lab_down; }

answers_again() { [ "$(agent_on "$1")" != "$2" ] && agents_answer; }
kill_agent() {
	local old
	old=$(agent_on "$1")
	run_on "$1" kill -KILL "$(agent_pid "$1")"
	wait_for 60 answers_again "$1" "$old"
}
goes_on() { docker_on "$1" logs "$(agent_on "$1")" 2>&1 | grep -q 'goes on with'; }

@test "an agent is killed with -9: its captures go on in new segments, the gap stands under missing with from and to" {
	local task=web.1 from to
	start k swarmcap capture web -f "$FLOOD" -o "$SHARE/killed.tar"
	armed k
	witness seen $task
	flood sent $task 100000 200
	sleep 3
	kill_agent "$node"
	wait_for 60 goes_on "$node"
	sleep 1
	testify seen
	stop k 3
	end_flood sent
	unpack "$SHARE/killed.tar"
	outside seen $task
	[ "$have" -ge 600 ]
	[ "$(manifest "[.missing[] | select(.what == \"task $task\")] | length")" -eq 1 ]
	[ "$(manifest "[.missing[] | select(.what == \"task $task\") | .node == \"$node\" and .reason == \"agent-lost\" and (.error | length) > 0] | all")" = true ]
	read -r from to < <(gaps $task)
	awk -v a="$from" -v b="$to" 'BEGIN { exit !(b > a && b - a < 60) }'
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .files | length] | add")" -eq 2 ]
	[ "$(manifest "[.targets[] | .end] | unique | join(\" \")")" = stopped ]
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .packets] | add")" -eq "$have" ]
	[ "$(manifest "[.missing[] | select(.node != \"$node\")] | length")" -eq 0 ]
	nothing_stays
}

@test "the agents are updated: captures go on on all nodes, and lose what came meanwhile only" {
	local old task=web.2
	start u swarmcap capture web -f "$FLOOD" -o "$SHARE/updated.tar"
	armed u
	witness seen $task
	old=$(agent_on "$node")
	flood sent $task 100000 200
	sleep 1
	docker_on node1 service update -q --detach --force swarmcap-agent >/dev/null
	wait_for 60 answers_again "$node" "$old"
	wait_for 60 goes_on "$node"
	sleep 1
	testify seen
	stop u 3
	end_flood sent
	unpack "$SHARE/updated.tar"
	outside seen $task
	[ "$have" -ge 400 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]
	[ "$(manifest '[.missing[] | .reason] | unique | join(" ")')" = agent-lost ]
	# told to end, it wrote its files whole
	[ "$(manifest '[.targets[].notes[] | select(test("recovered"))] | length')" -eq 0 ]
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .files | length] | add")" -eq 2 ]
	nothing_stays
}

@test "limits hold over two restarts: packets to the packet, bytes to the byte" {
	start p swarmcap capture web -f "$FLOOD" --max-packets 900 -o "$SHARE/packets.tar"
	armed p
	start b swarmcap capture web -f "$FLOOD" --max-bytes 200k -o "$SHARE/bytes.tar"
	armed b
	witness seen web.3
	for _ in 1 2; do
		flood sent web.3 300 200
		ends sent
		sleep 3		# what is younger than 2.5 s may still lie in a ring
		kill_agent "$node"
		wait_for 60 goes_on "$node"
	done
	flood sent web.3 2000 1000
	ends sent
	testify seen
	stop p 3
	stop b 3
	unpack "$SHARE/packets.tar"
	[ "$(manifest '[.targets[] | select(.task == "web.3") | .packets, ([.files[].packets] | add), .end] | join(" ")')" = "900 900 packets" ]
	[ "$(stamps "$unpacked"/*-web.3.*.pcapng | cut -d' ' -f1 | uniq | wc -l)" -eq 900 ]
	[ "$(manifest '[.missing[] | select(.what == "task web.3")] | length')" -eq 2 ]
	unpack "$SHARE/bytes.tar"
	[ "$(manifest '[.targets[] | select(.task == "web.3") | .end] | join(" ")')" = bytes ]
	bytes=$(cat "$unpacked"/*-web.3.*.pcapng | wc -c)
	[ "$bytes" -le $((200 * 1024)) ]
	[ "$bytes" -gt $((200 * 1024 - 350)) ]
}

@test "the coordinator dies too: the capture ends by its lease, and fetch tells the gap" {
	local id
	start l env SWARMCAP_TEST_LEASE=15s "$top/tests/lab/lab" exec node1 "$BUILD/swarmcap" capture web -f "$FLOOD" -v -o "$SHARE/lease.tar"
	armed l
	id=$(newest_id)
	witness seen web.1
	flood sent web.1 500 200
	sleep 2
	run_on node1 pkill -KILL -f "capture web .*-o $SHARE/lease.tar"
	ends l 137
	kill_agent "$node"
	ends sent
	testify seen
	run -3 swarmcap fetch "$id" -o "$SHARE/fetched.tar"
	unpack "$SHARE/fetched.tar"
	outside seen web.1
	[ "$seen" -eq 500 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = lease-expired ]
	[ "$(manifest '[.missing[] | select(.what == "task web.1") | .to != null] | join(" ")')" = true ]
}
