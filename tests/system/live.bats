#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Packets of a service on three nodes in one stream, while they come: tshark reads it, a viewer may be slow, stand still, or go.

load helpers
load capture
load faults

setup_file() { capture_lab 6 10; }
teardown_file() { lab_down; }

# view NAME PROGRAM ARG...: `swarmcap live ARG...` into a program of the machine, as a shell's pipe does it; its exit status is live's
view() {
	local as=$1 program=$2
	: >"$BATS_TEST_TMPDIR/$as.err"
	# shellcheck disable=SC2016,SC2154 # the inner shell's; top is of helpers
	env --default-signal=INT,QUIT bash -c 'set -o pipefail; "${@:2}" | eval "$1"' view "$program" \
		"$top/tests/lab/lab" exec node1 "$BUILD/swarmcap" live "${@:3}" \
		>"$BATS_TEST_TMPDIR/$as.out" 2>"$BATS_TEST_TMPDIR/$as.err" 3>&- &
	printf -v "$as" %s $!
}
# ^C for the program on its node alone: the machine's end of the pipe goes on until there is no more
interrupt() { run_on node1 pkill -INT -f "^$BUILD/swarmcap live" || true; }
err_of() { cat "$BATS_TEST_TMPDIR/$1.err"; }
# numbers FILE N: it has the requests from 1 to N, one of each at least
numbers() { [ "$(grep -oE '/[0-9]+$' "$1" | tr -d / | sort -nu | awk -v n="$2" '$1 <= n' | wc -l)" -eq "$2" ]; }
never_back() { tshark -r "$1" -T fields -e frame.time_epoch 2>/dev/null | awk '$1 < last { back++ } { last = $1; n++ } END { exit back > 0 || !n }'; }
runs() {
	[ "$(placed "$1" | awk 'NF == 3' | wc -l)" -eq "$2" ] &&
		# as the manager knows it: that is later than the engine does
		[ "$(docker_on node1 service ps "$1" --filter desired-state=running --format '{{.CurrentState}}' | grep -c ^Running)" -eq "$2" ]
}
# Drops that the statistics tell of a stream, all interfaces together
dropped_in() {
	# a packet's block is 35 items of its tree, of which it shows a million: the statistics stand at the end
	tshark -r "$1" -o gui.max_tree_items:100000000 -X 'read_format:MIME Files Format' -V 2>/dev/null |
		awk -F': ' '$1 ~ /^ *Number of Dropped Packets$/ { sum += $2 } END { print sum + 0 }'
}
gone() { [ -z "$(swarmcap status --json | jq -r 'select(.state == "running") | .id')" ] && nothing_stays; }
# descriptors that a file of tshark's fields has in its first column
seen_by() { cut -f1 "$1" | sort -u; }

@test "tshark -r - shows the requests to every task while it goes on, with task, node and network, in the order of time" {
	local file=$SHARE/all.pcapng
	view v "tee $file | tshark -l -r - -Y http.request -T fields -e frame.interface_description -e frame.interface_name -e http.request.uri" \
		web -f 'tcp port 80' --delay 2s
	armed v
	exec_task client@node1 /workload send web 80 1 60
	wait_for 60 numbers "$BATS_TEST_TMPDIR/v.out" 60
	kill -0 "$v"
	interrupt
	ends v
	[ "$(seen_by "$BATS_TEST_TMPDIR/v.out" | wc -l)" -ge 6 ]
	while read -r task node _; do
		[[ $task =~ ^(web\.[0-9]+)\.(.{6}) ]]
		grep -qE "^${BASH_REMATCH[1]}\.${BASH_REMATCH[2]}@$node eth[0-9]+ \(app [0-9.]+/[0-9]+\)"$'\t'"eth[0-9]+"$'\t' "$BATS_TEST_TMPDIR/v.out"
	done < <(placed web)
	# each request was sent once, and its packet is seen in one task's namespace
	[ "$(cut -f3 "$BATS_TEST_TMPDIR/v.out" | grep -cE '^/[0-9]+$')" -eq 60 ]
	never_back "$file"
	capinfos "$file" >"$BATS_TEST_TMPDIR/infos"
	grep -q 'Number of stat entries = 1' "$BATS_TEST_TMPDIR/infos"
	err_of v | grep -qE '^swarmcap: [0-9]+ packets of 6 tasks, 0 dropped$'
	gone
}

@test "tasks that start meanwhile appear with their interfaces, from their first SYN on" {
	docker_on node1 service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr \
		--stop-grace-period 1s --name late --replicas 1 swarmcap-workload client web 80 20 15 >/dev/null
	wait_for 60 runs late 1
	start v swarmcap live late -f 'tcp port 80'
	armed v
	docker_on node1 service scale -d late=4 >/dev/null
	three_joined() { [ "$(grep -c ' joined$' "$BATS_TEST_TMPDIR/v.err")" -eq 3 ]; }
	wait_for 60 three_joined
	complete() {
		tshark -r "$BATS_TEST_TMPDIR/v.out" -Y http.request -T fields -e frame.interface_description -e http.request.uri 2>/dev/null |
			grep -E '^late\.[234]\.' | sort -u >"$BATS_TEST_TMPDIR/late"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/late")" -eq 45 ]
	}
	wait_for 60 complete
	stop v
	[ "$(seen_by "$BATS_TEST_TMPDIR/late" | wc -l)" -eq 3 ]
	for task in 2 3 4; do
		[ "$(tshark -r "$BATS_TEST_TMPDIR/v.out" -Y 'tcp.flags == 2' -T fields -e frame.interface_description 2>/dev/null | grep -c "^late\.$task\.")" -ge 15 ]
	done
	docker_on node1 service rm late >/dev/null
	wait_for 60 gone
}

@test "a viewer that stands still costs a capture of the same tasks nothing; its own drops are told, and stand in the statistics" {
	local task file=$SHARE/slow.pcapng told
	task=$(web_on node3)
	view v "exec cat >$file" web
	armed v
	start cap swarmcap capture web -f "$FLOOD" -o "$SHARE/beside.tar"
	armed cap
	wait_for 60 test -s "$file"
	pkill -STOP -P "$v" -x cat
	flood sent "$task" 60000 5000
	ends sent
	wait_for 60 grep -q 'packets dropped so far (.*because the viewer is too slow)' "$BATS_TEST_TMPDIR/v.err"
	stop cap
	unpack "$SHARE/beside.tar"
	[ "$(manifest '[.targets[].dropped_kernel, .targets[].dropped_agent] | add')" -eq 0 ]
	[ "$(manifest ".targets[] | select(.task == \"$task\") | .packets")" -eq 60000 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	pkill -CONT -P "$v" -x cat
	interrupt
	ends v
	told=$(err_of v | grep -oE '[0-9]+ dropped \(' | grep -oE '[0-9]+')
	[ "$told" -gt 0 ]
	[ "$(dropped_in "$file")" -eq "$told" ]
	capinfos "$file"
	gone
}

@test "a viewer that is slow but reads is waited for: at the end it has every packet" {
	local file=$SHARE/late.pcapng
	# 320 KB a second: less than comes, and the rest takes longer than a viewer that stands still is waited for
	view v "perl -e 'while (sysread STDIN, \$b, 65536) { syswrite STDOUT, \$b; select undef, undef, undef, 0.2 }' >$file" web -f "$FLOOD"
	armed v
	flood sent "$(web_on node2)" 16000 2000
	ends sent
	interrupt
	ends v
	err_of v | grep -q '^swarmcap: 16000 packets of 6 tasks, 0 dropped$'
	[ "$(tshark -r "$file" -T fields -e frame.number | wc -l)" -eq 16000 ]
}

@test "a viewer that never goes on is waited for a few seconds; then the end has come for all, and that is told" {
	view v 'exec cat >/dev/null' web
	armed v
	pkill -STOP -P "$v" -x cat
	flood sent "$(web_on node2)" 20000 5000
	ends sent
	interrupt
	no_program() { ! run_on node1 pgrep -f "^$BUILD/swarmcap live"; }
	wait_for 60 no_program
	wait_for 60 gone
	pkill -CONT -P "$v" -x cat
	ends v 3
	err_of v | grep -q '^swarmcap: the stream ends early, without what the nodes saw last'
}

@test "the viewer goes: with packets or without, all nodes are free at once, and the status is 0" {
	view v 'head -c 3000 | wc -c' web
	ends v
	[ "$(cat "$BATS_TEST_TMPDIR/v.out")" -eq 3000 ]
	wait_for 30 gone
	# a filter that nothing matches: only the end of the pipe tells
	view v 'head -c 20 | wc -c' web -f 'udp port 9'
	ends v
	wait_for 30 gone
}

@test "the coordinator is killed: the connection's end is the view's, long before its lease's" {
	start v swarmcap live web -f 'udp port 9'
	armed v
	sleep 3			# the connections come behind that word; a node without one is freed by the lease
	run_on node1 pkill -KILL -f "^$BUILD/swarmcap live"
	ends v 137
	wait_for 30 gone
}

@test "a duration; the end's statistics; what is narrowed" {
	run -0 --separate-stderr swarmcap live web --node node2 --tasks 1 -d 2s -s 60
	# shellcheck disable=SC2154 # of run
	grep -qE 'capturing 1 of 1 tasks on 1 nodes$' <<<"$stderr"
	start v swarmcap live web --node node2 -d 2s -s 60
	ends v
	capinfos "$BATS_TEST_TMPDIR/v.out" >"$BATS_TEST_TMPDIR/infos"
	grep -q 'Capture length = 60' "$BATS_TEST_TMPDIR/infos"
	[ "$(tshark -r "$BATS_TEST_TMPDIR/v.out" -T fields -e frame.interface_description 2>/dev/null | grep -oE '@node[0-9]' | sort -u)" = @node2 ]
	never_back "$BATS_TEST_TMPDIR/v.out"
}

@test "a node's agent is killed: that is told, the others go on, and the end says that not all was seen" {
	start v swarmcap live web
	armed v
	run_on node3 kill -KILL "$(agent_pid node3)"
	wait_for 60 grep -qE '^swarmcap: node3 is given up: lost the connection' "$BATS_TEST_TMPDIR/v.err"
	before=$(stat -c %s "$BATS_TEST_TMPDIR/v.out")
	grows() { [ "$(stat -c %s "$BATS_TEST_TMPDIR/v.out")" -gt $((before + 20000)) ]; }
	wait_for 60 grows
	stop v 3
	capinfos "$BATS_TEST_TMPDIR/v.out"
	wait_for 60 agents_answer
	wait_for 60 gone
}

@test "as Wireshark reads it: through dumpcap, from a pipe" {
	view v "exec tshark -q -i - -a packets:100 -w $SHARE/dumped.pcapng" web -f 'tcp port 80'
	ends v
	[ "$(capinfos -TrcM "$SHARE/dumped.pcapng" | awk '{ print $NF }')" -eq 100 ]
	[ "$(tshark -r "$SHARE/dumped.pcapng" -T fields -e frame.interface_description 2>/dev/null | grep -cE '^web\.[0-9]\..*@node')" -eq 100 ]
	wait_for 60 gone
}

shifts() { docker_on node2 inspect -f '{{.Config.Env}}' "$(agent_on node2)" | grep -q TEST_CLOCK; }
shifted() { docker_on node2 logs "$(agent_on node2)" 2>&1 | grep -q 'the clock is shifted by -1000 s'; }
# The stream's first packet is less than 600 s old
is_of_today() { [ $(($(date +%s) - $(tshark -r "$1" -c 1 -T fields -e frame.time_epoch 2>/dev/null | cut -d. -f1))) -lt 600 ]; }

@test "a node's clock is corrected, unless that is not wanted" {
	docker_on node1 service update -q --detach --env-add SWARMCAP_TEST_CLOCK_FILE=/var/lib/swarmcap/clock swarmcap-agent >/dev/null
	wait_for 60 shifts
	wait_for 60 agents_answer
	run_on node2 sh -c "echo -1000 >$(spool_of node2)/clock"
	wait_for 60 shifted
	start v swarmcap live web --node node2 -d 3s
	ends v
	is_of_today "$BATS_TEST_TMPDIR/v.out"
	start v swarmcap live web --node node2 -d 3s --no-clock-correction
	ends v
	run ! is_of_today "$BATS_TEST_TMPDIR/v.out"
	run_on node2 rm "$(spool_of node2)/clock"
	docker_on node1 service update -q --detach --env-rm SWARMCAP_TEST_CLOCK_FILE swarmcap-agent >/dev/null
	shifts_not() { ! shifts; }
	wait_for 60 shifts_not
	wait_for 60 agents_answer
}

@test "without an agent: by the route local; other routes, terminals and options of files are refused in words" {
	start v swarmcap live container:"$(docker_on node1 ps -q --filter name='^/web' | head -n 1)" --route local -d 3s
	ends v
	tshark -r "$BATS_TEST_TMPDIR/v.out" -Y http.request 2>/dev/null | grep -q 'GET /'
	run -1 swarmcap live web --route ssh-nsenter
	[[ $output == *"a live view needs an agent, so it does not go by the route ssh-nsenter"* ]]
	run -2 script -qec "$top/tests/lab/lab exec node1 $BUILD/swarmcap live web" /dev/null
	[[ $output == *"stdout is a terminal: pipe it, as in swarmcap live web | wireshark -k -i -"* ]]
	run -2 swarmcap live web --merge
	run -2 swarmcap live web --delay 1h
	[[ $output == *"--delay '1h': not a time up to 10s"* ]]
	run -4 swarmcap live nothing
	run -0 swarmcap live web --dry-run
	[[ $output == *web.1* ]]
	gone
}

@test "four views on a node, and no fifth; a capture comes beside them" {
	for v in a b c d; do start $v swarmcap live web -f 'udp port 9'; done
	for v in a b c d; do armed $v; done
	run -1 bash -c "'$top/tests/lab/lab' exec node1 '$BUILD/swarmcap' live web 2>&1 >/dev/null"
	[[ $output == *"4 live views run on this node already"* ]]
	run -0 swarmcap capture web -d 1s -o "$SHARE/besides.tar"
	for v in a b c d; do stop $v; done
	gone
}
