#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# doctor's one table: each route to each node, what would be used, and what would make the better one work.

load helpers
load capture
load ssh

setup_file() { ssh_lab 3; }
# first what doctor left, for calm takes it away
teardown() {
	local left=0
	after_failure
	nothing_left || left=1
	calm
	return $left
}
teardown_file() { lab_down; }

# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # what bats' run sets; backquotes that are words
# doctor: its rows in $BATS_TEST_TMPDIR/rows, its status in $status, its words in $stderr
doctor() {
	run --separate-stderr "${by:-swarmcap}" doctor --json
	echo "$output" >"$BATS_TEST_TMPDIR/rows"
	echo "$output$stderr"
}
row() { jq -r "select(.node == \"$1\") | $2" "$BATS_TEST_TMPDIR/rows"; }
uses() { jq -rs 'sort_by(.node) | map(.node + " " + (.use // "-")) | join(", ")' "$BATS_TEST_TMPDIR/rows"; }
# route NODE ROUTE: true, false or null, and the word for it
route() { row "$1" ".routes[] | select(.route == \"$2\") | \"\(.ok) \(.word // \"\")\""; }
# what a capture would take
planned() { swarmcap capture web client --dry-run 2>/dev/null | grep -oE 'node[123]\b.*(agent|local|ssh-[a-z]+)' | awk '{ print $1, $NF }' | sort -u | paste -sd, | sed 's/,/, /g'; }

@test "nothing deployed: this node locally, the others by ssh, and all is well" {
	doctor
	[ "$status" -eq 0 ]
	[ "$(uses)" = 'node1 local, node2 ssh-push, node3 ssh-push' ]
	[ "$(route node1 agent)" = 'false none' ]
	[ "$(route node2 local)" = 'null ' ]
	for n in node1 node2 node3; do
		for r in ssh-push ssh-nsenter ssh-helper; do [ "$(route $n $r)" = 'true ' ]; done
	done
	grep -q 'node2: agent: no agent is deployed: `swarmcap deploy' <<<"$stderr"
	[ "$(planned)" = "$(uses)" ]
}

@test "the table has a line for each node and a column for each route" {
	run -0 --separate-stderr swarmcap doctor
	echo "$output"
	[ "$(head -1 <<<"$output" | xargs)" = \
		'NODE STATE USE AGENT LOCAL SSH-PUSH SSH-NSENTER SSH-HELPER CERT CLOCK SPOOL FREE NAMESPACES' ]
	[ "$(sed 1d <<<"$output" | awk '{ print $1, $2, $3, $4, $5, $6, $7, $8 }')" = "node1 ready local none ok ok ok ok
node2 ready ssh-push none - ok ok ok
node3 ready ssh-push none - ok ok ok" ]
}

@test "a node without sshd: no route to it works, it is said, exit 3" {
	lab nosshd node2
	doctor
	lab sshd node2
	[ "$status" -eq 3 ]
	[ "$(uses)" = 'node1 local, node2 -, node3 ssh-push' ]
	[ "$(route node2 ssh-push)" = 'false refused' ]
	[ "$(row node2 .ok)" = false ]
	grep -q 'node2: no route to it works' <<<"$stderr"
}

@test "a user who may not: sudo and docker are named, and what to do about them" {
	as_user plain node2
	as_user_rows
	[ "$(route node2 ssh-push)" = 'false sudo' ]
	[ "$(route node2 ssh-nsenter)" = 'false sudo' ]
	[ "$(route node2 ssh-helper)" = 'false docker' ]
	grep -q 'node2: ssh-push: .*NOPASSWD' <<<"$stderr"
	grep -q 'node2: ssh-helper: .*group docker' <<<"$stderr"
}
as_user_rows() {
	doctor
	[ "$status" -eq 3 ]
	[ "$(uses)" = 'node1 local, node2 -, node3 ssh-push' ]
}

@test "a host key that is another: told, and nothing is asked there" {
	lab rekey node3
	doctor
	[ "$status" -eq 3 ]
	[ "$(route node3 ssh-push)" = 'false host key' ]
	grep -qi 'node3.*key' <<<"$stderr"
	sed -i "/$(lab address node3)/d; /^node3,/d" "$LAB_DIR/share/known_hosts"
	lab sshd node3
}

@test "no tcpdump on a node: only ssh-nsenter lacks it" {
	run_on node2 mv /usr/bin/tcpdump /usr/bin/tcpdump.away
	doctor
	run_on node2 mv /usr/bin/tcpdump.away /usr/bin/tcpdump
	[ "$status" -eq 0 ]
	[ "$(route node2 ssh-push)" = 'true ' ]
	[ "$(route node2 ssh-nsenter)" = 'false tcpdump' ]
	[ "$(route node2 ssh-helper)" = 'true ' ]
}

@test "deployed, but one node was paused: the agents, and ssh to the paused one; from a laptop too" {
	docker_on node1 node update --availability pause node3 >/dev/null
	lab image --node node1 --node node2 "$BUILD/image.tar"
	image_known node1 node2 node3
	deployed
	doctor
	[ "$(uses)" = 'node1 agent, node2 agent, node3 ssh-push' ]
	[ "$(route node2 agent)" = 'true ' ]
	[ "$(planned)" = "$(uses)" ]

	by=from_laptop doctor
	[ "$(uses)" = 'node1 agent, node2 agent, node3 ssh-push' ]
	[ "$(route node1 local)" = 'null ' ]
}
