#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ls and --dry-run of a Swarm that no lab can hold: 50 nodes and 1,000 tasks, of whom a program tells (tests/bench/tools/crowd.c;
# its answers are generated). UPDATE_GOLDEN=1 writes the golden files anew, to be looked at before they are committed.

load helpers

setup_file() {
	make -s --no-print-directory -C "$top" B="$BUILD" "$BUILD/bench/crowd" >&2
	export ENGINE=$BATS_FILE_TMPDIR/engine.sock
	"$BUILD/bench/crowd" "$ENGINE" 3>&- 4>&- >/dev/null &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	wait_for 10 test -S "$ENGINE"
}
teardown_file() { kill "$(<"$BATS_FILE_TMPDIR/pid")"; }

swarmcap() { "$BUILD/swarmcap" -H "unix://$ENGINE" "$@" --route agent; }
names() { jq -r 'select(.event == "target") | .task'; }

golden() {
	local file=$top/tests/system/golden/$1
	[ -z "${UPDATE_GOLDEN:-}" ] || cp "$BATS_TEST_TMPDIR/out" "$file"
	diff "$file" "$BATS_TEST_TMPDIR/out" | head -n 20
	cmp "$file" "$BATS_TEST_TMPDIR/out"
}

@test "ls, as a table" {
	swarmcap ls >"$BATS_TEST_TMPDIR/out"
	golden ls.txt
}

@test "--dry-run of everything, as a table" {
	swarmcap capture '*' --dry-run >"$BATS_TEST_TMPDIR/out"
	golden dry-run.txt
}

@test "ls as JSON: one object for each task, node and network" {
	swarmcap ls --json >"$BATS_TEST_TMPDIR/json"
	[ "$(jq -r .kind "$BATS_TEST_TMPDIR/json" | sort | uniq -c | xargs)" = '6 network 50 node 1000 task' ]
	[ "$(jq -r 'select(.kind == "network" and .network == "shop4_default") | "\(.vni) \(.encrypted) \(.nodes | length)"' "$BATS_TEST_TMPDIR/json")" = '4101 true 49' ]
	[ "$(jq -r 'select(.kind == "node" and .node == "node03") | "\(.role) \(.state) \(.address) \(.route)"' "$BATS_TEST_TMPDIR/json")" = 'manager ready 10.50.0.3 agent' ]
}

@test "stacks, exclusions, --node and --tasks at that size" {
	[ "$(swarmcap capture stack:shop1 --dry-run --json | names | wc -l)" -eq 200 ]
	[ "$(swarmcap capture 'stack:*' '!stack:shop4' '!task:*.1' --dry-run --json | names | wc -l)" -eq $((800 - 32)) ]
	[ "$(swarmcap capture '*' --tasks 1 --dry-run --json | names | grep -c '\.1$')" -eq 40 ]
	# 25 slots of 40 services on 48 nodes: slot after slot, seven nodes on
	[ "$(swarmcap capture '*' --node 'node0?' --dry-run --json | jq -r 'select(.event == "target") | .node' | sort -u | wc -l)" -eq 9 ]
	[ "$(swarmcap capture ingress 'node:*' --dry-run --json | jq -r 'select(.event == "target") | .kind' | sort | uniq -c | xargs)" = '48 host 48 ingress' ]
}

# No kernel of a lab encrypts overlays: what would be asked of the agents is what can be shown.
@test "--path and --vxlan: VNIs of its networks; ESP for an encrypted overlay, said so" {
	swarmcap capture --path shop0_svc0 --dry-run --json >"$BATS_TEST_TMPDIR/json"
	[ "$(jq -r 'select(.kind == "host") | .filter' "$BATS_TEST_TMPDIR/json" | sort -u)" = \
		'(udp port 4789 and (udp[12:4] >> 8 = 4097 or ip6[52:4] >> 8 = 4097))' ]
	swarmcap capture --path shop4_svc7 --dry-run --json >"$BATS_TEST_TMPDIR/json"
	[ "$(jq -r 'select(.kind == "host") | .filter' "$BATS_TEST_TMPDIR/json" | sort -u)" = esp ]
	jq -r 'select(.event == "note") | .text' "$BATS_TEST_TMPDIR/json" |
		grep -qx 'network shop4_default is encrypted: hosts show only ESP, of all encrypted overlays together'
	swarmcap capture node:node08 --vxlan shop4_default,shop1_default -f 'host 10.50.0.8' --dry-run --json | jq -r '.filter // empty' |
		grep -qxF '((udp port 4789 and (udp[12:4] >> 8 = 4098 or ip6[52:4] >> 8 = 4098)) or esp) and (host 10.50.0.8)'
}

@test "a node that is down or runs Windows: missing, in a sentence that says what to do" {
	swarmcap capture ingress --dry-run >"$BATS_TEST_TMPDIR/out"
	grep -qx 'missing: ingress on node49: node node49 is down' "$BATS_TEST_TMPDIR/out"
	grep -qx "missing: ingress on node50: node node50 runs windows, and only Linux can be captured; leave it out with --node '!node50'" "$BATS_TEST_TMPDIR/out"
	run -4 swarmcap capture ingress --node 'node50,node49' --dry-run
	swarmcap capture ingress --node '!node50' --node '!node49' --dry-run >"$BATS_TEST_TMPDIR/out"
	run -1 grep missing "$BATS_TEST_TMPDIR/out"
}

@test "1,000 tasks are not captured by accident" {
	run -2 --separate-stderr swarmcap capture '*' -o "$BATS_TEST_TMPDIR/x.tar" </dev/null
	[[ "$stderr" == *'999 targets on 48 nodes are more than --max-targets 256: narrow it with --node or --tasks, or say --yes' ]]
	[ -z "$(ls -A "$BATS_TEST_TMPDIR" | grep -F x.tar)" ]
}

@test "ls keeps to a narrow terminal" {
	COLUMNS=60 script -qec "$BUILD/swarmcap -H unix://$ENGINE ls --route agent" /dev/null </dev/null >"$BATS_TEST_TMPDIR/out"
	tr -d '\r' <"$BATS_TEST_TMPDIR/out" >"$BATS_TEST_TMPDIR/lines"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/lines")" -eq "$(wc -l <"$top/tests/system/golden/ls.txt")" ]
	[ "$(awk '{ if (length($0) > most) most = length($0) } END { print most }' "$BATS_TEST_TMPDIR/lines")" -eq 60 ]
	grep -q '~' "$BATS_TEST_TMPDIR/lines"
}

@test "ls --watch lists again until ^C" {
	background "$BUILD/swarmcap" -H "unix://$ENGINE" ls shop0_svc0 --watch --route agent
	# shellcheck disable=SC2016 # for the shell that waits
	wait_for 60 bash -c '[ "$(grep -c ^SERVICE "$1")" -ge 2 ]' - "$BATS_TEST_TMPDIR/out"
	finish INT
	[ "$status" -eq 0 ]
	[ "$(grep -c 'shop0_svc0\.25\.' <<<"$output")" -ge 2 ]
}
