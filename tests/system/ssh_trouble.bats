#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What refuses, lacks or breaks on the way to a node: the rest is captured, the manifest says why, nothing is left behind.

load helpers
load capture
load ssh

# One service for each node, so that what ails a node concerns a test only where it asks for it. No agent is deployed;
# node1 has the agent's image.
setup_file() {
	local n
	ssh_lab 3
	lab image --node node1 "$BUILD/image.tar"
	for n in 1 2 3; do
		docker_on node1 service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr \
			--constraint "node.hostname==node$n" --stop-grace-period 1s --name "on$n" swarmcap-workload serve 80 >/dev/null
	done
	for n in 1 2 3; do wait_for 60 runs_on "$n"; done
	image_known node1 node2 node3
}
teardown() { after_failure; calm; }
teardown_file() { lab_down; }
# as the manager knows it: that is later than the engine does
runs_on() { [ "$(docker_on node1 service ps --format '{{.CurrentState}}' "on$1" | grep -c ^Running)" -eq "${2:-1}" ]; }

# captured NODE...: exactly these nodes' tasks are targets, with packets or at least a whole file
captured() {
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(manifest '[.targets[].node] | unique | join(" ")')" = "$*" ]
	for f in "$unpacked"/*.pcapng; do capinfos "$f" >/dev/null; done
}

# refused WORDS CAPTURE-ARG...: node1 is captured, node2 is not, and message and manifest say WORDS (a pattern) of it
refused() {
	local words=$1
	run -3 swarmcap capture on1 on2 -d 300ms -o "$SHARE/refused.tar" --force "${@:2}"
	grep -E 'node2' <<<"$output" | grep -qiE "$words"
	unpack "$SHARE/refused.tar"
	captured node1
	[ "$(manifest '[.missing[] | .node] | join(" ")')" = node2 ]
	missing_words node2 | grep -qiE "$words"
	nothing_left node1 node2
}

# on_node2 COMMAND: changes a node's disk by a shell
on_node2() { run_on node2 sh -c "$1"; }

# ---- the cable of node3 is cut in a capture; the last test looks what the node did about it by itself

@test "a cable that is cut in the middle: the rest is whole, node-lost, exit 3" {
	start cable swarmcap capture on1 on3 --route ssh-nsenter -o "$SHARE/cable.tar"
	armed cable
	[ -n "$(run_on node3 pidof tcpdump)" ]
	lab cut node3
	date +%s >"$BATS_FILE_TMPDIR/cut"
	sleep 1
	stop cable 3
	[ $(($(date +%s) - $(<"$BATS_FILE_TMPDIR/cut"))) -lt 40 ]
	unpack "$SHARE/cable.tar"
	[ "$(manifest '.targets[] | select(.node == "node1") | .end')" = stopped ]
	[ "$(manifest '[(.targets[] | select(.node == "node3") | .end), (.missing[] | select(.node == "node3") | .reason)]
		| unique | join(" ")')" = node-lost ]
	nothing_left node1
}

# ---- a node that never answers

@test "a silent node and a dead one: bounded by the time-out of connecting, the others' window is not shorter" {
	local from
	lab nosshd node2
	run_on node2 busybox nc -ll -p 22 -e sleep 60 3>&- >/dev/null 2>&1 &
	listens() { run_on node2 ss -Hltn 'sport = :22' | grep -q .; }
	wait_for 60 listens
	from=$(date +%s)
	run -3 swarmcap capture on1 on2 on3 --route ssh-nsenter -d 2s -o "$SHARE/silent.tar"
	from=$(($(date +%s) - from))
	# whatever follows, node2 is as the next tests need it
	on_node2 'kill $(pidof busybox) 2>/dev/null; kill $(pidof sleep) 2>/dev/null; true'
	lab sshd node2
	[ "$from" -lt 20 ]
	unpack "$SHARE/silent.tar"
	captured node1
	manifest '.missing[] | "\(.what) on \(.node): \(.error)"'
	# by now Swarm may have seen that node3 is gone: then its task waits for a node, and has none
	[ "$(manifest '[.missing[].what] | unique | join(", ")')" = 'task on2.1, task on3.1' ]
	missing_words node2 | grep -q .
	# times of one day
	[ "$(manifest '.window as $w | .targets[] | select(.started > $w.start or .stopped < $w.stop) | .task')" = "" ]
	[ "$(window_ms)" -ge 1999 ]
	nothing_left node1 node2
}

# ---- host keys

@test "an unknown host key is refused, with what to do; --ssh-accept-new takes it down" {
	sed -i '/^node2,/d' "$LAB_DIR/share/known_hosts"
	refused 'not known.*--ssh-accept-new' --route ssh-nsenter
	run -1 grep "$(lab address node2)" "$LAB_DIR/known_hosts"
	run -0 swarmcap capture on1 on2 --route ssh-nsenter --ssh-accept-new -d 300ms -o "$SHARE/new.tar"
	[ "$(grep "$(lab address node2)" "$LAB_DIR/known_hosts" | awk '{ print $3 }')" = \
		"$(awk '{ print $2 }' "$LAB_DIR/share/host_key.node2.pub")" ]
	run -0 swarmcap capture on1 on2 --route ssh-nsenter -d 300ms -o "$SHARE/known.tar"
	nothing_left node1 node2
}

@test "a changed host key is refused, --ssh-accept-new or not" {
	lab sshd node2
	lab rekey node2
	sha256sum "$LAB_DIR/share/known_hosts" >"$BATS_TEST_TMPDIR/sum"
	refused 'is not the one in .*known_hosts' --route ssh-nsenter
	refused 'is not the one in .*known_hosts' --route ssh-nsenter --ssh-accept-new
	sha256sum --quiet -c "$BATS_TEST_TMPDIR/sum"
	sed -i "/$(lab address node2)/d; /^node2,/d" "$LAB_DIR/share/known_hosts"
	lab sshd node2
}

# ---- who may what

@test "no key that the node takes: refused in words" {
	as_user nobody-there node2
	refused 'key|log in|logged in|let us in|denied' --route ssh-nsenter
	as_user
}

@test "no permission for Docker on the node, nor sudo: every route says so" {
	as_user plain node2
	run -1 swarmcap capture on2 --route ssh-helper -d 300ms -o "$SHARE/plain.tar"
	grep -qiE 'docker|permission|sudo' <<<"$output"
	run -1 swarmcap capture on2 --route ssh-nsenter -d 300ms -o "$SHARE/plain.tar"
	grep -qiE 'docker|permission|sudo' <<<"$output"
	[ ! -e "$SHARE/plain.tar" ]
	as_user
	nothing_left node1 node2
}

@test "sudo that asks for a password: refused in words, and the helper needs none" {
	as_user asks node2
	refused 'sudo' --route ssh-nsenter
	run -0 swarmcap capture on2 -d 300ms -o "$SHARE/asks.tar"
	unpack "$SHARE/asks.tar"
	[ "$(manifest '[.nodes[].route] | join(" ")')" = ssh-helper ]
	manifest '.nodes[].notes[]' | grep -q sudo
	as_user
	nothing_left node1 node2
}

# ---- what a node lacks

@test "no tcpdump, no nsenter: each refused in words" {
	on_node2 'mkdir /fake && mv /usr/bin/tcpdump /fake/tcpdump.away'
	refused 'tcpdump' --route ssh-nsenter
	on_node2 'mv /usr/bin/nsenter /fake/nsenter.away; mv /fake/tcpdump.away /usr/bin/tcpdump'
	refused 'nsenter' --route ssh-nsenter
	on_node2 'mv /fake/nsenter.away /usr/bin/nsenter; rmdir /fake'
	nothing_left node1 node2
}

@test "another architecture is refused in words, the next route is taken" {
	on_node2 'mkdir -p /fake'
	on_node2 'printf "%s\n" "#!/bin/sh" "case \$* in *m*) echo riscv64 ;; *) exec /fake/uname.away \"\$@\" ;; esac" >/fake/uname &&
		chmod 755 /fake/uname && mv /usr/bin/uname /fake/uname.away && mv /fake/uname /usr/bin/uname'
	refused 'riscv64' --route ssh-push
	run -0 swarmcap capture on2 -d 300ms -o "$SHARE/next.tar"
	unpack "$SHARE/next.tar"
	[ "$(manifest '[.nodes[].route] | join(" ")')" = ssh-nsenter ]
	manifest '.nodes[].notes[]' | grep -q riscv64
	on_node2 'mv /fake/uname.away /usr/bin/uname && rmdir /fake'
	nothing_left node1 node2
}

@test "ssh-push by who may not: told" {
	as_user plain node2
	refused 'permission|sudo|root' --route ssh-push
	as_user asks node2
	refused 'sudo' --route ssh-push
}

@test "sshd forbids sockets to be forwarded: ssh-push and ssh-helper go on over exec channels" {
	local route
	lab sshd node2 AllowStreamLocalForwarding=no AllowTcpForwarding=no
	for route in ssh-push ssh-helper; do
		run -0 swarmcap capture on2 --route $route -d 500ms -o "$SHARE/forbidden.tar" --force
		unpack "$SHARE/forbidden.tar"
		captured node2
	done
	lab sshd node2
	nothing_left node1 node2
}

@test "sshd takes one unfinished login at a time: six captures at once get through" {
	local i
	lab sshd node2 MaxStartups=2
	for i in 1 2 3 4 5 6; do
		start "many$i" swarmcap capture on2 --route ssh-nsenter -d 1s -o "$SHARE/many$i.tar"
	done
	for i in 1 2 3 4 5 6; do ends "many$i"; done
	lab sshd node2
	nothing_left node1 node2
}

@test "more tasks on a node than a login may have sessions: all are captured" {
	docker_on node1 service scale -d on2=12 >/dev/null
	wait_for 60 runs_on 2 12
	run -0 swarmcap capture on2 --route ssh-nsenter -d 500ms -o "$SHARE/twelve.tar"
	unpack "$SHARE/twelve.tar"
	captured node2
	[ "$(manifest '.targets | length')" -eq 12 ]
	docker_on node1 service scale -d on2=1 >/dev/null
	nothing_left node1 node2
}

@test "a manager that forbids forwarding: from the laptop, what is missing is told" {
	lab sshd node1 AllowTcpForwarding=no AllowStreamLocalForwarding=no
	run -1 from_laptop capture on2 --route ssh-nsenter -d 300ms -o "$SHARE/forward.tar"
	grep -qiE 'node1 forbids|AllowTcpForwarding' <<<"$output"
	lab sshd node1
	nothing_left node1 node2
}

@test "the helper's image is on no node and may not be pulled: told, with --pull named" {
	run -1 swarmcap capture on2 --route ssh-helper --helper-image no/such:1 -d 300ms -o "$SHARE/pull.tar"
	grep -q -- '--pull' <<<"$output"
	nothing_left node1 node2
}

# ---- ssh dies in the middle

# dies ROUTE: sshd on node2 and all that it runs are killed in the middle of a capture
dies() {
	start dies swarmcap capture on1 on2 --route "$1" -o "$SHARE/dies-$1.tar"
	armed dies
	exec_task client@node2 /workload send on2 80 1 60 >/dev/null
	# the block time-out of tcpdump
	sleep 2
	lab nosshd node2 --sessions
	sleep 1
	stop dies 3
	unpack "$SHARE/dies-$1.tar"
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	manifest '.targets, .missing' | grep -E '"(node|task|what|end|reason|error)":'
	[ "$(manifest '.targets[] | select(.node == "node1") | .end')" = stopped ]
	[ "$(manifest '[(.targets[] | select(.node == "node2") | .end), (.missing[] | select(.node == "node2") | .reason)]
		| unique | join(" ")')" = node-lost ]
}

@test "ssh dies in the middle of ssh-nsenter and ssh-helper: what came is in the archive, and nothing runs on" {
	local route
	for route in ssh-nsenter ssh-helper; do
		dies $route
		[ "$(numbered "$(manifest '.targets[] | select(.node == "node2") | .files[0].name' | sed "s|^|$unpacked/|")" | xargs)" = \
			"$(seq 60 | xargs)" ]
		lab sshd node2
		# the sweep of the next run takes what an engine without its client may have kept
		run -0 swarmcap capture on2 --route $route -d 100ms -o "$SHARE/after.tar" --force
		nothing_left node1 node2
	done
}

@test "no room at home for what comes without an agent: said to be lost, not to lie on the nodes" {
	lab sshd node2
	run_on node1 sh -c 'mkdir -p /mnt/small && mount -t tmpfs -o size=200k tmpfs /mnt/small'
	start room swarmcap capture on2 --route ssh-nsenter -o /mnt/small/room.tar
	armed room
	docker_on node2 exec "$(docker_on node2 ps -q --filter name=on2)" /workload send 127.0.0.1 80 1 400 >/dev/null
	stop room 1
	cat "$BATS_TEST_TMPDIR/room.err"
	run_on node1 umount /mnt/small
	grep -q 'what 1 nodes captured without an agent is lost' "$BATS_TEST_TMPDIR/room.err"
	run -1 grep -q 'swarmcap fetch' "$BATS_TEST_TMPDIR/room.err"
	nothing_left node1 node2
}

@test "ssh dies in the middle of ssh-push: exit 3, and fetch gets the rest when ssh is back" {
	local id
	lab sshd node2
	dies ssh-push
	id=$(id_in "$BATS_TEST_TMPDIR/dies.err")
	lab sshd node2
	run swarmcap fetch "$id" -o "$SHARE/rest.tar"
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	unpack "$SHARE/rest.tar"
	[ "$(numbered "$(manifest '.targets[] | select(.node == "node2") | .files[0].name' | sed "s|^|$unpacked/|")" | xargs)" = \
		"$(seq 60 | xargs)" ]
	nothing_left node1 node2
}

# ---- the node behind the cut cable

@test "behind the cut cable nothing runs on after 70 s" {
	local passed
	passed=$(($(date +%s) - $(<"$BATS_FILE_TMPDIR/cut")))
	gone() { [ -z "$(strangers node3 | grep -v 'sshd: ')" ]; }
	echo "$passed s after the cut"
	# a minute's lease, and what tcpdump takes to end
	wait_for $((passed < 74 ? 75 - passed : 1)) gone || { strangers node3; false; }
	lab heal node3
}
