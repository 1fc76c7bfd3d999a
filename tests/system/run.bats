#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# swarmcap run: a command that cannot tell that its packets are captured, and everything it caused in the archive.

load helpers
load capture

setup_file() {
	capture_lab 2
	service quiet 3 serve 80	# who is asked by us alone
}
teardown_file() { lab_down; }

# command TEXT: a script on the nodes, named $cmd, that may ask: `ask FROM TO`
command() {
	cmd=$SHARE/cmd.$BATS_TEST_NUMBER
	local node container
	read -r _ node container < <(find_task client@node1)
	cat >"$cmd" <<-EOF
		#!/bin/bash
		ask() { docker exec $container /workload send quiet 80 "\$1" "\$2" >/dev/null || exit 99; }
		$1
	EOF
	chmod 755 "$cmd"
}

# The numbers that quiet was asked for, in all files; each as often as it was captured
asked() {
	manifest '.targets[].files[].name' | while read -r name; do
		tshark -r "$unpacked/$name" -Y http.request -T fields -e http.request.uri 2>/dev/null
	done | sort
}
were_asked() { diff <(asked) <(seq -f '/%.0f' "$1" "$2"); }

# The packets of all files, as capinfos counts them
packets() {
	manifest '.targets[].files[].name' | while read -r name; do
		capinfos -Mrc "$unpacked/$name" | awk '{ print $NF }'
	done | awk '{ n += $1 } END { print n + 0 }'
}

nothing_left() { [ -z "$(swarmcap status --json)" ]; }

# on_terminal ARG...: swarmcap on node1, on a terminal of its own; what is typed comes from stdin. Whoever runs
# the tests may ignore SIGINT, and a command of `run` would, too.
# exec, since the shell of who has no $SHELL stays between the terminal and the command, and dies of ^C
on_terminal() {
	env --default-signal=INT,QUIT "$top/tests/lab/lab" exec node1 \
		script -qec "exec '$BUILD/swarmcap' $(printf '%q ' "$@")" /dev/null
}

@test "stdin, stdout, stderr and the status are the command's; its packets, the summary and the events are told" {
	command 'cat; ask 600001 600040; echo "to stderr" >&2; exit 7'
	printf 'one\ntwo\n' >"$SHARE/stdin"
	run -7 --separate-stderr swarmcap run quiet -f 'tcp port 80' -o "$SHARE/run.tar" --summary "$SHARE/summary.md" \
		--json="$SHARE/events" -- "$cmd" <"$SHARE/stdin"
	[ "$output" = $'one\ntwo' ]
	[[ $stderr == *'to stderr'* ]]
	unpack "$SHARE/run.tar"
	were_asked 600001 600040
	[ "$(jq -r .event "$SHARE/events" | grep -vE 'progress|note' | xargs)" = 'plan armed live command stopped archive' ]
	[ "$(jq -r 'select(.event == "live") | [.nodes, .of] | @csv' "$SHARE/events")" = 3,3 ]
	[ "$(jq -r 'select(.event == "command") | .exit' "$SHARE/events")" = 7 ]

	grep -qxE "### Packet capture of quiet" "$SHARE/summary.md"
	[ "$(grep -c '^| quiet\.[123]' "$SHARE/summary.md")" -eq 3 ]
	[ "$(sed -n 's/^| \*\*3\*\* | | \*\*\([0-9]*\)\*\* .*/\1/p' "$SHARE/summary.md")" -eq "$(packets)" ]
	[ "$(awk -F'|' '/^\| quiet/ { n += $4 } END { print n }' "$SHARE/summary.md")" -eq "$(packets)" ]
	[ "$(awk -F'|' '/^\| quiet/ { n += $6 } END { print n }' "$SHARE/summary.md")" -eq 0 ]
	grep -qx 'Archive: run.tar' "$SHARE/summary.md"
	nothing_left
}

@test "its status is passed on: success, signals, a command that is not found; what cannot run leaves nothing" {
	run -0 swarmcap run quiet -q -o "$SHARE/s0.tar" -- true
	[ -z "$output" ]
	run -137 swarmcap run quiet -q -o "$SHARE/s1.tar" -- bash -c 'kill -KILL $$'
	run -127 swarmcap run quiet -o "$SHARE/s2.tar" -- /nonexistent/command
	[[ $output == *"cannot run '/nonexistent/command'"* ]]
	run -126 swarmcap run quiet -o "$SHARE/s2.tar" -- /etc/passwd
	[ ! -e "$SHARE/s2.tar" ]
	run -2 swarmcap run quiet
	[[ $output == *'a command is needed'* ]]
	nothing_left
}

@test "--only-on-failure keeps a failure's packets and drops a success's" {
	command 'ask 600001 600003; exit "${1:-0}"'
	run -0 swarmcap run quiet --only-on-failure -o "$SHARE/only.tar" --summary "$SHARE/only.md" -- "$cmd"
	[[ $output == *'the captures are dropped'* ]]
	[ ! -e "$SHARE/only.tar" ]
	grep -q 'No archive: the command succeeded' "$SHARE/only.md"
	nothing_left
	run -4 swarmcap run quiet --only-on-failure -o "$SHARE/only.tar" -- "$cmd" 4
	unpack "$SHARE/only.tar"
	were_asked 600001 600003
}

@test "--settle captures on after the command, and --duration ends the capture, not the command" {
	command '(sleep 0.5; ask 600001 600005) >/dev/null 2>&1 & date +%s%N'
	run -0 --separate-stderr swarmcap run quiet -f 'tcp port 80' --settle 8s -o "$SHARE/settle.tar" -- "$cmd"
	unpack "$SHARE/settle.tar"
	were_asked 600001 600005
	[ $(($(date -d "$(manifest .window.stop)" +%s%N) - output)) -ge 8000000000 ]

	command "until '$BUILD/swarmcap' status --json | grep -q '\"state\":\"finished\"'; do sleep 0.2; done; ask 600001 600005; exit 5"
	run -5 swarmcap run quiet -d 500ms -o "$SHARE/short.tar" -- "$cmd"
	unpack "$SHARE/short.tar"
	[ -z "$(asked)" ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = duration ]
}

@test "on a terminal: its process group is ours and in the foreground, ^C reaches it once, and it may go on" {
	command 'ps -o pgid=,tpgid=,sid= -p $$,$PPID
trap "echo got INT" INT
touch '"$SHARE"'/ready
until [ -e '"$SHARE"'/go ]; do sleep 0.1; done
ask 600001 600003
exit 3'
	(
		wait_for 60 test -e "$SHARE/ready" && printf '\003' && wait_for 60 grep -q 'got INT' "$SHARE/tty"
		sleep 1
		touch "$SHARE/go"
	) | on_terminal run quiet -f 'tcp port 80' -o "$SHARE/tty.tar" -- "$cmd" >"$SHARE/tty" || status=$?
	[ "$status" -eq 3 ]
	[ "$(grep -c 'got INT' "$SHARE/tty")" -eq 1 ]
	# both lines are the same: one group, which the terminal belongs to, one session
	tr '\r' '\n' <"$SHARE/tty" | sed -n 's/^\(\x1b\[K\)\? *\([0-9]\+ \+[0-9]\+ \+[0-9]\+\)$/\2/p' >"$SHARE/groups"
	[ "$(wc -l <"$SHARE/groups")" -eq 2 ]
	[ "$(sort -u "$SHARE/groups" | awk '{ print $1 == $2 }')" = 1 ]
	unpack "$SHARE/tty.tar"
	were_asked 600001 600003
}

@test "^C that ends the command ends with its status, and what was captured is gathered" {
	command 'ask 600001 600003; touch '"$SHARE"'/ready2; exec sleep 300'
	(
		wait_for 60 test -e "$SHARE/ready2" && printf '\003'
		wait_for 60 test -e "$SHARE/int.tar"
	) | on_terminal run quiet -f 'tcp port 80' -o "$SHARE/int.tar" -- "$cmd" >"$SHARE/tty2" || status=$?
	[ "$status" -eq 130 ]
	unpack "$SHARE/int.tar"
	were_asked 600001 600003
}

@test "a signal to swarmcap alone is passed on, once, and swarmcap waits" {
	command 'for s in TERM HUP USR1 QUIT INT; do trap "echo got $s" $s; done
touch '"$SHARE"'/ready3
until [ -e '"$SHARE"'/go3 ]; do sleep 0.1; done
exit 9'
	start term run_on node1 env --default-signal=TERM,HUP,USR1 "$BUILD/swarmcap" run quiet -o "$SHARE/term.tar" -- "$cmd"
	wait_for 60 test -e "$SHARE/ready3"
	for s in TERM USR1 QUIT INT HUP; do
		run_on node1 pkill -x -"$s" swarmcap
		wait_for 60 grep -q "got $s" "$BATS_TEST_TMPDIR/term.out"
	done
	touch "$SHARE/go3"
	ends term 9
	[ "$(sort "$BATS_TEST_TMPDIR/term.out" | xargs)" = 'got HUP got INT got QUIT got TERM got USR1' ]
	[ -e "$SHARE/term.tar" ]

	command 'touch '"$SHARE"'/ready4; exec sleep 300'
	start dies swarmcap run quiet -o "$SHARE/dies.tar" -- "$cmd"
	wait_for 60 test -e "$SHARE/ready4"
	run_on node1 pkill -x -TERM swarmcap
	ends dies 143
	[ -e "$SHARE/dies.tar" ]
}

# Signals 32 and 33 are the C library's own (nptl): whoever starts a thread changes them, and no program may use them.
of_programs() {
	local name mask
	while read -r name mask; do
		case $name in
		Sig*) printf '%s %x\n' "$name" $((16#$mask & ~0x180000000)) ;;
		*) echo "$name" ;;
		esac
	done <<<"$1"
}

@test "no descriptor of ours, no changed limit, mask or umask is seen by the command" {
	command 'ls /proc/self/fd; umask; ulimit -n; exec grep -E "^Sig(Blk|Ign)" /proc/self/status'
	run -0 run_on node1 "$cmd"
	local alone=$output
	run -0 --separate-stderr swarmcap run quiet -o "$SHARE/clean.tar" -- "$cmd"
	diff <(of_programs "$output") <(of_programs "$alone")
}

@test "CI=true: no live line, no colour, not even on a terminal; stdin may be closed or /dev/null" {
	CI=true run -0 on_terminal run quiet -o "$SHARE/ci.tar" -- sleep 2.5 </dev/null
	[[ $output == *'capturing 3 of 3 tasks'* ]]
	run -1 grep -E $'\r.|\033' <<<"${output//$'\r\n'/$'\n'}"
	CI=true run -0 --separate-stderr swarmcap run quiet -o "$SHARE/ci2.tar" -- cat </dev/null
	[ -z "$output" ]
	run -1 grep -E $'\r|\033' <<<"$stderr"
	# shellcheck disable=SC2016
	CI=true run -0 run_on node1 sh -c '"$0" "$@" <&-' "$BUILD/swarmcap" run quiet -o "$SHARE/ci3.tar" -- \
		sh -c '[ ! -e /proc/$$/fd/0 ] && [ -e /proc/$$/fd/1 ]'
}

@test "without an agent it is the same: by route local, what is on this node" {
	command 'ask 600001 600012'
	run -3 swarmcap run quiet --route local -f 'tcp port 80' -o "$SHARE/local.tar" -- "$cmd"
	unpack "$SHARE/local.tar"
	[ "$(manifest '[.targets[].node] | join(" ")')" = node1 ]
	# every third, as the client asks its addresses in turn
	[ "$(asked | wc -l)" -eq 4 ]
	nothing_left
}

@test "nothing armed, nothing run: unknown service, filter, output that exists, no route" {
	command "touch $SHARE/ran"
	run -4 swarmcap run nosuch -o "$SHARE/n.tar" -- "$cmd"
	run -2 swarmcap run quiet -f 'no filter' -o "$SHARE/n.tar" -- "$cmd"
	touch "$SHARE/there.tar"
	run -2 swarmcap run quiet -o "$SHARE/there.tar" -- "$cmd"
	run -1 swarmcap run quiet --route ssh-nsenter -o "$SHARE/n.tar" --summary "$SHARE/n.md" --json="$SHARE/n.json" -- "$cmd"
	[[ $output == *'nothing can be captured'* ]]
	grep -q 'No archive: nothing can be captured' "$SHARE/n.md"
	[ "$(jq -r 'select(.event == "error") | .exit' "$SHARE/n.json")" = 1 ]
	[ ! -e "$SHARE/ran" ]
	[ ! -e "$SHARE/n.tar" ]
	run -0 swarmcap run quiet --dry-run -- "$cmd"
	[ ! -e "$SHARE/ran" ]
}

@test "a part armed: it runs, 3 beside a success, its own status beside a failure; --require-all prevents it" {
	command "touch $SHARE/ran2; exit \"\${1:-0}\""
	# a global service: when Swarm gives up the node, its task is started nowhere else
	lab cut node3
	run -1 swarmcap run client --require-all -o "$SHARE/p.tar" -- "$cmd"
	[[ $output == *'not everything can be captured'* ]]
	[ ! -e "$SHARE/ran2" ]
	[ ! -e "$SHARE/p.tar" ]
	run -3 swarmcap run client -o "$SHARE/p.tar" --summary "$SHARE/p.md" -- "$cmd"
	[ -e "$SHARE/ran2" ]
	unpack "$SHARE/p.tar"
	[ "$(manifest '.targets | length')" -eq 2 ]
	grep -qE '^\| .* \| node3 \| node-' "$SHARE/p.md"
	run -6 swarmcap run client -o "$SHARE/p6.tar" -- "$cmd" 6
	lab heal node3
}
