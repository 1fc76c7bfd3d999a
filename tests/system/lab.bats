#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The lab keeps what tests/lab/lab promises. The last test takes it down.

load helpers

# All that bears the lab's name: namespaces, mounts, cgroups, what runs in them, files
traces() {
	ip netns list | grep "^$LAB_NAME-"
	grep -E "$LAB_NAME-|$LAB_DIR" /proc/self/mountinfo
	find /sys/fs/cgroup -maxdepth 2 -name "$LAB_NAME"
	grep "/$LAB_NAME/" /proc/[0-9]*/cgroup | grep -v '(deleted)$'
	ls -d "$LAB_DIR"
} 2>/dev/null

setup_file() {
	local start=${EPOCHREALTIME/./}
	lab_up 3
	echo $(((${EPOCHREALTIME/./} - start) / 1000)) >"$BATS_FILE_TMPDIR/up-ms"
}

teardown_file() { lab_down; }

ready() { [ "$(docker_on "$1" node ls --format '{{.Hostname}} {{.Status}}' | grep -c Ready)" -eq "$2" ]; }
down_seen() { docker_on node1 node ls --format '{{.Hostname}} {{.Status}}' | grep -q "^$1 Down"; }
reaches() { run_on "$1" curl -s -o /dev/null -m 1 "http://$(lab address "$2"):2377" || [ $? -ne 28 ]; }

@test "three nodes are up in under 10 s, on overlay2" {
	echo "# up after $(<"$BATS_FILE_TMPDIR/up-ms") ms" >&3
	[ "$(<"$BATS_FILE_TMPDIR/up-ms")" -lt 10000 ]
	[ "$(lab nodes | xargs)" = "node1 node2 node3" ]
	ready node1 3
	for n in node1 node2 node3; do
		[ "$(docker_on $n info -f '{{.Driver}}')" = overlay2 ]
	done
}

@test "a node is a machine of its own" {
	run_on node1 touch /root/mine /tmp/mine
	run -1 run_on node2 test -e /root/mine
	run -1 run_on node2 test -e /tmp/mine
	[ ! -e /root/mine ]
	[ "$(run_on node2 sh -c 'hostname; cat /etc/hostname' | xargs)" = "node2 node2" ]
	[ "$(run_on node2 ip -br addr show eth0 | awk '{ print $3 }')" = "$(lab address node2)/24" ]
	[ "$(run_on node2 curl -s --unix-socket /var/run/docker.sock http://d/info | jq -r .Name)" = node2 ]
	run_on node3 test -f "$top/tests/lab/lab"
	run -1 run_on node3 touch "$top/tests/mine"
}

@test "exec passes stdin, status and signals through" {
	[ "$(echo hello | run_on node1 cat)" = hello ]
	run -7 run_on node1 sh -c 'exit 7'
	run -127 run_on node1 no-such-program
	background run_on node1 sh -c 'trap "exit 9" INT; while :; do sleep 0.05; done'
	sleep 0.3
	finish INT
	[ "$status" -eq 9 ]
}

@test "sshd lets the lab's key in, with the host key known" {
	lab sshd node2
	[ "$(run_on node1 ssh -o BatchMode=yes node2 hostname)" = node2 ]
	[ "$(run_on node1 ssh -o BatchMode=yes -i "$LAB_DIR/id" "$(lab address node2)" hostname)" = node2 ]
}

@test "each node has a host key of its own; a changed one is found out, and no sshd is no login" {
	lab sshd node3
	[ "$(cut -d' ' -f3 "$LAB_DIR/known_hosts" | sort -u | wc -l)" -eq 2 ]
	[ "$(run_on node1 ssh -o BatchMode=yes node3 hostname)" = node3 ]
	lab rekey node3
	run -255 run_on node1 ssh -o BatchMode=yes node3 hostname
	[[ "$output" == *"has changed"* ]]
	lab nosshd node3 --sessions
	run -255 run_on node1 ssh -o BatchMode=yes node3 hostname
	[[ "$output" == *refused* ]]
	run ! run_on node3 pidof sshd
}

@test "admin has Docker and sudo, asks is asked for a password, plain has neither" {
	on() { run_on node1 ssh -o BatchMode=yes "$1@node2" "$2"; }
	[ "$(on admin 'docker info -f "{{.Name}}"; sudo -n id -u' | xargs)" = "node2 0" ]
	[ "$(on asks 'docker info -f "{{.Name}}"')" = node2 ]
	run -1 on asks 'sudo -n id -u'
	run -1 on plain 'docker ps'
	run -1 on plain 'sudo -n id -u'
}

@test "the laptop reaches the first node alone" {
	lab sshd node1
	[ "$(lab laptop ssh -o BatchMode=yes admin@node1 hostname)" = node1 ]
	run -255 lab laptop ssh -o BatchMode=yes "root@$(lab address node2)" hostname
	[[ "$output" == *unreachable* ]]
	[ "$(lab laptop ssh -o BatchMode=yes -J admin@node1 "admin@$(lab address node2)" hostname)" = node2 ]
}

@test "the workload runs on every node and its requests are answered" {
	lab workload 6
	[ "$(placed web | awk '{ print $2 }' | sort -u | xargs)" = "node1 node2 node3" ]
	run -0 exec_task client@node2 /workload send web 80 1 60
	[ "$(awk '{ print $3 }' <<<"$output" | xargs)" = "$(seq 60 | xargs)" ]
	[ "$(awk '{ print $2 }' <<<"$output" | sort -u | wc -l)" -eq 6 ]
	[ "$(exec_task client@node2 hostname)" = client-node2 ]
	wait_for 60 exec_task client@node2 grep -qE ' client-node2-[0-9]+$' /log
	in_task web.3 ip -br link | grep -q eth0
}

@test "an imported root file system is an image on the nodes that were named" {
	tar -C "$top" -cf "$BATS_TEST_TMPDIR/root.tar" Makefile
	lab import --node node3 "$BATS_TEST_TMPDIR/root.tar" tiny:1
	[ -n "$(docker_on node3 images -q tiny:1)" ]
	[ -z "$(docker_on node1 images -q tiny:1)" ]
}

@test "a pulled cable cuts a node off until it is plugged in" {
	reaches node2 node1
	lab cut node2
	run ! reaches node2 node1
	lab heal node2
	wait_for 60 reaches node2 node1
}

@test "a power cut kills a node at once; powered on, it is the same node again" {
	local id pid
	pid=$(<"$LAB_DIR/node3/init")
	ip netns pids "$LAB_NAME-node3" >"$BATS_TEST_TMPDIR/pids"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/pids")" -gt 3 ]
	id=$(docker_on node1 node inspect -f '{{.ID}}' node3)
	run_on node3 sh -c 'echo kept >/root/kept; sync'
	lab kill node3
	run -1 run_on node3 true
	for pid in "$pid" $(<"$BATS_TEST_TMPDIR/pids"); do
		[ ! -e "/proc/$pid" ] || [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ]
	done
	lab start node3
	[ "$(run_on node3 cat /root/kept)" = kept ]
	wait_for 60 ready node1 3
	[ "$(docker_on node3 info -f '{{.Swarm.NodeID}}')" = "$id" ]
}

@test "another node joins, and may become a manager" {
	run -0 lab add
	[ "$output" = node4 ]
	wait_for 60 ready node1 4
	lab promote node4
	wait_for 60 ready node4 4
}

@test "a second lab stands beside the first" {
	local first
	first=$(docker_on node1 info -f '{{.Swarm.Cluster.ID}}')
	(
		export LAB_DIR=${LAB_DIR}2 LAB_NAME=${LAB_NAME}two
		trap 'lab down' EXIT
		lab up 2 --managers 2 >/dev/null
		[ "$(lab docker node2 info -f '{{.Swarm.Managers}}')" = 2 ]
		[ "$(lab docker node2 info -f '{{.Swarm.Cluster.ID}}')" != "$first" ]
	)
	[ "$(docker_on node1 info -f '{{.Swarm.Cluster.ID}}')" = "$first" ]
	ready node1 4
}

@test "nothing is left after down, with a node dead and LAB_DIR lost" {
	[ "$(traces | wc -l)" -gt 20 ]
	lab kill node2
	rm -rf "$LAB_DIR" 2>/dev/null || true
	lab down
	lab down
	run traces
	echo "$output"
	[ -z "$output" ]
}
