#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs, cables and nodes fail during a capture under traffic: what was written before is in the archive, and what is missing
# is named. A tcpdump beside counts. docs/RELIABILITY.md says which faults are tried elsewhere.

load helpers
load capture
load faults

setup_file() {
	local n
	lab_up 3 --managers 3
	lab workload 6 5
	lab image "$BUILD/image.tar"
	swarmcap deploy --image swarmcap-agent:latest
	run_on node1 tar -C /root/.config -cf "$SHARE/credentials.tar" swarmcap
	for n in node2 node3; do run_on $n sh -c "mkdir -p /root/.config && tar -C /root/.config -xf $SHARE/credentials.tar"; done
}
teardown_file() { lab_down; }
setup() { well; }

@test "^C twice while it arms: no archive, and what was armed ends by its lease" {
	local pid status=0
	pid=$(agent_pid node3)
	run_on node3 kill -STOP "$pid"
	start c env SWARMCAP_TEST_LEASE=5s "$top/tests/lab/lab" exec node1 "$BUILD/swarmcap" capture web -o "$SHARE/arming.tar"
	sleep 1.5
	kill -INT "$c"
	sleep 0.5
	kill -INT "$c"
	wait "$c" || status=$?
	run_on node3 kill -CONT "$pid"
	[ "$status" -eq 1 ]
	[ ! -e "$SHARE/arming.tar" ]
	[ -z "$(find "$SHARE" -name '.*')" ]
	wait_for 60 agents_answer
	nothing_stays
}

@test "the cable is pulled for 10 s during a capture: nothing is missing, exit 0" {
	local task
	task=$(web_on node3)
	start c swarmcap capture web -f "$FLOOD" -o "$SHARE/cable.tar"
	armed c
	witness seen "$task"
	FROM=client@node3 flood sent "$task" 2200 200
	lab cut node3
	sleep 10
	lab heal node3
	ends sent
	testify seen
	stop c
	unpack "$SHARE/cable.tar"
	outside seen "$task"
	[ "$seen" -eq 2200 ]
	[ "$have" -eq 2200 ]
	nothing_missing
}

@test "the cable is pulled for 10 s while gathering: it goes on where it was, and all is there" {
	local task
	task=$(web_on node3)
	start c swarmcap capture web -f "$FLOOD" --fetch-rate 400k -o "$SHARE/gathering.tar"
	armed c
	exec_task client@node3 /workload flood "$(address_of "$task")" 80 2000 1000
	sleep 1
	kill -INT "$c"
	sleep 2
	lab cut node3
	sleep 10
	lab heal node3
	ends c
	unpack "$SHARE/gathering.tar"
	nothing_missing
	whole
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .packets] | add")" -eq 2000 ]
	[ "$(stamps "$unpacked"/node3-"$task".*.pcapng | wc -l)" -eq 2000 ]
	well
}

@test "the cable is pulled for good while gathering: the rest is whole, exit 3, and fetch gets what stayed behind" {
	local task id
	task=$(web_on node3)
	start c swarmcap capture web -f "$FLOOD" --fetch-rate 400k -o "$SHARE/cut.tar"
	armed c
	exec_task client@node3 /workload flood "$(address_of "$task")" 80 2000 1000
	sleep 1
	kill -INT "$c"
	sleep 2
	lab cut node3
	ends c 3
	unpack "$SHARE/cut.tar"
	whole
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = node3 ]
	[ "$(manifest '[.targets[] | select(.node != "node3")] | length')" -eq 4 ]
	id=$(manifest .capture.id)
	lab heal node3
	well
	# the others dropped theirs when the first archive was written
	run -3 swarmcap fetch "$id" -o "$SHARE/later.tar"
	unpack "$SHARE/later.tar"
	whole
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .packets] | add")" -eq 2000 ]
	[ "$(stamps "$unpacked"/node3-"$task".*.pcapng | wc -l)" -eq 2000 ]
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = 'node1 node2' ]
	well
}

@test "dockerd is restarted on a node: what came before is in the archive, its tasks are named, the rest is whole" {
	local task other
	task=$(web_on node3) other=$(web_on node2)
	start c swarmcap capture web -f "$FLOOD" -o "$SHARE/dockerd.tar"
	armed c
	witness seen "$task"
	witness beside "$other"
	flood sent "$task" 100000 200
	flood along "$other" 1000 200
	sleep 4
	run_on node3 sh -c 'kill $(cat /run/docker.pid)'
	ends along
	sleep 1
	testify beside
	well
	stop seen 0 || true
	stop c 3
	end_flood sent
	unpack "$SHARE/dockerd.tar"
	whole
	outside beside "$other"
	[ "$have" -eq 1000 ]
	outside seen "$task"
	[ "$have" -ge 400 ]
	[ "$(manifest "[.missing[] | select(.what == \"task $task\" and .node == \"node3\")] | length")" -ge 1 ]
	nothing_stays
}

@test "two captures of the same service at once, from two coordinators: each has every packet" {
	local task one two
	task=$(web_on node3)
	start one swarmcap capture web -f "$FLOOD" -o "$SHARE/one.tar"
	NODE=node2 start two swarmcap capture web -f "$FLOOD" -o "$SHARE/two.tar"
	armed one
	armed two
	witness seen "$task"
	flood sent "$task" 1000 500
	ends sent
	testify seen
	stop one
	stop two
	for one in one two; do
		unpack "$SHARE/$one.tar"
		whole
		outside seen "$task"
		[ "$have" -eq 1000 ]
		nothing_missing
	done
}

@test "the leader is lost with its node: another manager takes over, the others' tasks are captured, then and anew" {
	local task lead one two
	lead=$(docker_on node1 node ls --format '{{.Hostname}} {{.ManagerStatus}}' | awk '$2 == "Leader" { print $1 }')
	read -r one two < <(lab nodes | grep -vx "$lead" | xargs)
	task=$(web_on "$two")
	export NODE=$one
	start c swarmcap capture web -f "$FLOOD" -o "$SHARE/leader.tar"
	armed c
	witness seen "$task"
	FROM=client@$one flood sent "$task" 1000 200
	sleep 1
	lab kill "$lead"
	# at once, so it waits for the election; and the new leader has not heard of all its nodes then
	run -3 swarmcap capture web -f "$FLOOD" -d 500ms -o "$SHARE/anew.tar"
	ends sent
	testify seen
	stop c 3
	lab start "$lead"
	unpack "$SHARE/leader.tar"
	whole
	outside seen "$task"
	[ "$have" -eq 1000 ]
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = "$lead" ]
	unpack "$SHARE/anew.tar"
	[ "$(manifest '[.targets[].node] | unique | join(" ")')" = "$one $two" ]
}
