#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services, stacks and nodes as interfaces of the real tshark and dumpcap. web and client are the stack shop; quiet is who is
# asked by us alone.

load helpers
load capture

# Where Wireshark looks for a person's own programs: before 4.2, and since
# shellcheck disable=SC2016 # of the node
personal='for folder in ~/.config/wireshark/extcap ~/.local/lib/wireshark/extcap; do
	mkdir -p $folder && ln -s $1 $folder/swarmcap-extcap || exit
done'

setup_file() {
	capture_lab 3
	docker_on node1 service update --detach --label-add com.docker.stack.namespace=shop web >/dev/null
	docker_on node1 service update --detach --label-add com.docker.stack.namespace=shop client >/dev/null
	service quiet 3 serve 80
	for node in node1 node2; do run_on "$node" bash -c "$personal" link "$BUILD/swarmcap"; done
}
teardown_file() { lab_down; }

# extcap [VARIABLE=VALUE...] ARG...: as Wireshark calls it
extcap() {
	local set=()
	while [[ $1 == [A-Z]*=* ]]; do set+=("$1"); shift; done
	# shellcheck disable=SC2016 # of the node
	run_on "${NODE:-node1}" env "${set[@]}" bash -c 'exec ~/.config/wireshark/extcap/swarmcap-extcap "$@"' extcap "$@"
}

tshark_on() { run_on "$1" tshark "${@:2}"; }

# running [NODES]: one view runs, on so many nodes; or none, anywhere
running() { [ "$(swarmcap status --json | jq -r 'select(.state == "running") | .nodes')" = "${1:-}" ]; }
packets() { tshark -r "$@" 2>/dev/null | wc -l; }

# The numbers that quiet was asked for, in a file
asked() { tshark -r "$1" -Y http.request -T fields -e http.request.uri 2>/dev/null | sort; }
were_asked() { diff <(asked "$1") <(seq -f '/%.0f' "$2" "$3"); }
# enough FILE N: packets that are seen on a card of node3
enough() { [ "$(tshark -r "$1" -T fields -e frame.interface_name 2>/dev/null | grep -c '^eth0$')" -ge "$2" ]; }

@test "tshark -D lists each service, stack and node" {
	run -0 tshark_on node1 -D
	for name in web client quiet swarmcap-agent stack:shop node:node1 node:node2 node:node3; do
		grep -qE "^[0-9]+\. swarmcap:$name \(Swarm (service|stack|node) ${name#*:}\)\$" <<<"$output"
	done
	[ "$(grep -c ' swarmcap:' <<<"$output")" -eq 8 ]
	# and it is asked anew each time
	docker_on node1 service create --detach --quiet --no-resolve-image --name another --replicas 0 swarmcap-workload >/dev/null
	tshark_on node1 -D | grep 'swarmcap:another (Swarm service another)'
	docker_on node1 service rm another
	# a worker knows nothing
	run -0 tshark_on node2 -D
	[[ $output != *swarmcap:* ]]
	NODE=node2 run -0 extcap --extcap-interfaces -v
	[[ $output == *'node2 is a worker'* ]]
}

@test "tshark and dumpcap know the link types and the options" {
	run -0 tshark_on node1 -i swarmcap:web -L
	[[ $output == *EN10MB* ]]
	run -0 tshark_on node1 -G currentprefs
	[[ $output == *'extcap.swarmcap_web.snaplen'* ]]
	[[ $output == *'extcap.swarmcap_stack_shop.node'* ]]
}

@test "tshark captures a service on all nodes: each numbered request once, by the filter" {
	start shark run_on node1 tshark -q -i swarmcap:quiet -f 'tcp port 80' -w "$SHARE/quiet.pcapng"
	wait_for 60 running 3
	exec_task client@node1 /workload send quiet 80 700001 700090
	wait_for 60 were_asked "$SHARE/quiet.pcapng" 700001 700090
	stop shark
	! grep -qi error "$BATS_TEST_TMPDIR/shark.err"
	were_asked "$SHARE/quiet.pcapng" 700001 700090
	[ -z "$(tshark -r "$SHARE/quiet.pcapng" -Y 'not tcp.port == 80' 2>/dev/null)" ]
	# an interface of each of the three tasks has packets
	[ "$(tshark -r "$SHARE/quiet.pcapng" -Y http.request -T fields -e frame.interface_description 2>/dev/null |
		sed -E 's/^(quiet\.[123])\..*/\1/' | sort -u | xargs)" = 'quiet.1 quiet.2 quiet.3' ]
	wait_for 60 running
}

@test "^C on tshark's terminal, which reaches all of its programs, ends a capture well" {
	local typed=$BATS_TEST_TMPDIR/typed
	mkfifo "$typed"
	exec 7<>"$typed"
	# what runs aside has no stdin but what it opens itself; no shell is left between the terminal and tshark
	# shellcheck disable=SC2016,SC2154 # of the inner shell; top is of helpers
	start shark bash -c 'exec "$@" <"$0"' "$typed" "$top/tests/lab/lab" exec node1 \
		script -qec "exec tshark -q -i swarmcap:quiet -f 'tcp port 80' -w '$SHARE/terminal.pcapng'" /dev/null
	wait_for 60 running 3
	exec_task client@node1 /workload send quiet 80 710001 710020
	wait_for 60 were_asked "$SHARE/terminal.pcapng" 710001 710020
	printf '\003' >&7
	ends shark
	exec 7>&-
	grep -q 'packets captured' "$BATS_TEST_TMPDIR/shark.out"
	! grep -qi 'error' "$BATS_TEST_TMPDIR/shark.out"
	[ -z "$(swarmcap status --json)" ]
}

@test "a stack, a node, an option; tshark's own end ends the capture on the nodes" {
	run -0 tshark_on node1 -i swarmcap:stack:shop -f 'tcp port 80' -c 40 -w "$SHARE/stack.pcapng"
	[ "$(packets "$SHARE/stack.pcapng")" -eq 40 ]
	wait_for 60 running
	run -0 tshark_on node1 -o extcap.swarmcap_web.snaplen:60 -o extcap.swarmcap_web.node:node2 \
		-i swarmcap:web -f 'tcp port 80' -c 40 -w "$SHARE/web.pcapng"
	[ "$(tshark -r "$SHARE/web.pcapng" -T fields -e frame.cap_len 2>/dev/null | sort -n | tail -1)" -eq 60 ]
	[ "$(tshark -r "$SHARE/web.pcapng" -T fields -e frame.interface_description 2>/dev/null | grep -c '@node2')" -eq 40 ]
	start shark run_on node1 tshark -q -i swarmcap:node:node3 -f 'udp port 9' -w "$SHARE/node.pcapng"
	wait_for 60 running 1
	run_on node1 bash -c "for i in {1..20}; do echo \$i >/dev/udp/$(lab address node3)/9; done"
	wait_for 60 enough "$SHARE/node.pcapng" 20
	stop shark
	wait_for 60 running
	[ "$(packets "$SHARE/node.pcapng" -Y 'udp.dstport == 9')" -eq "$(packets "$SHARE/node.pcapng")" ]
}

@test "a filter that does not compile, and a name that is gone, are refused in words" {
	run -0 extcap --extcap-interface swarmcap:web --extcap-capture-filter 'tcpp port 80'
	[[ $output == "filter 'tcpp port 80' does not compile"* ]]
	run -0 extcap --extcap-interface swarmcap:web --extcap-capture-filter 'tcp port 80'
	[ -z "$output" ]
	run ! tshark_on node1 -i swarmcap:web -f 'tcpp port 80' -c 1
	[[ $output == *"filter 'tcpp port 80' does not compile"* ]]
	mkfifo "$SHARE/fifo"
	timeout 60 cat "$SHARE/fifo" >"$SHARE/nothing" 3>&- &
	run -4 extcap --capture --extcap-interface swarmcap:nobody --fifo "$SHARE/fifo"
	[ "$output" = "swarmcap-extcap: there is no service 'nobody' in this Swarm: 'swarmcap ls' lists those that there are" ]
	wait $!
	[ ! -s "$SHARE/nothing" ]
	running
}

@test "what cannot be captured is what tshark calls an error" {
	docker_on node1 service create --detach --quiet --no-resolve-image --name zero --replicas 0 swarmcap-workload >/dev/null
	run ! tshark_on node1 -q -i swarmcap:zero -a duration:60 -w "$SHARE/zero.pcapng"
	[[ $output == *'Error by extcap pipe: swarmcap-extcap: nothing to capture: service zero has no running task'* ]]
	lab cut node3
	run -0 tshark_on node1 -q -i swarmcap:quiet -a duration:15 -w "$SHARE/cut.pcapng"
	lab heal node3
	[[ $output == *'Error by extcap pipe: swarmcap-extcap: node3 '*' 10.'*'.13:9473'* ]]
}

@test "an Engine that hangs, or none: an empty list, and tshark has its other interfaces" {
	local socket=$SHARE/silent.sock silent
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 64) or die; sleep 600' "$socket" 3>&- &
	silent=$!
	wait_for 60 test -S "$socket"
	for host in "unix://$socket" unix:///nowhere.sock tcp://127.0.0.1:1 ssh://nobody@127.0.0.1:1; do
		# without its own limit the program would wait for 30 s; the limit's length is extcap_test's
		run -0 --separate-stderr extcap DOCKER_HOST="$host" --extcap-interfaces
		[[ $output == 'extcap {version='*'}' ]]
		[ "${#lines[@]}" -eq 1 ]
		[ -z "$stderr" ]
	done
	run -0 extcap DOCKER_HOST="unix://$socket" --extcap-interfaces -v
	[[ $output == *'did not answer in time'* ]]
	run -0 run_on node1 env DOCKER_HOST="unix://$socket" tshark -D
	[[ $output == *'any'* && $output != *swarmcap:* ]]
	kill "$silent"
}

@test "make install puts the link where tshark looks, or where it is told" {
	local folder
	folder=$(tshark -G folders 2>/dev/null | sed -nE 's/^(Global )?Extcap path:[[:space:]]*//p')
	[ -n "$folder" ]
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top" B="$BUILD" install DESTDIR="$BATS_TEST_TMPDIR/a" PREFIX=/usr
	[ "$(readlink "$BATS_TEST_TMPDIR/a$folder/swarmcap-extcap")" = /usr/bin/swarmcap ]
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top" B="$BUILD" install DESTDIR="$BATS_TEST_TMPDIR/b" EXTCAPDIR=/opt/extcap
	[ "$(readlink "$BATS_TEST_TMPDIR/b/opt/extcap/swarmcap-extcap")" = /usr/local/bin/swarmcap ]
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top" B="$BUILD" install DESTDIR="$BATS_TEST_TMPDIR/c" EXTCAPDIR=
	[ -z "$(find "$BATS_TEST_TMPDIR/c" -name swarmcap-extcap)" ]
}
