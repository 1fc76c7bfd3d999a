#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Disks, clocks and services change during a capture under traffic, and files are damaged: what came before is in the archive,
# and what is missing is named. A tcpdump beside counts. docs/RELIABILITY.md says which faults are tried elsewhere.

load helpers
load capture
load faults

setup_file() { capture_lab 6 5; }
teardown_file() { lab_down; }
setup() { well; }

@test "a node's disk fills: its targets end as disk-floor with all that came before, the rest goes on" {
	local task spool last
	task=$(web_on node3) spool=$(spool_of node3)
	# the floor is 3.2 MiB, a mark 4 MiB above it is reached after 0.8 MiB, and the quota, 6.4 MiB, is not
	run_on node3 mount -t tmpfs -o size=64m tmpfs "$spool"
	docker_on node3 rm -f "$(agent_on node3)" >/dev/null
	run_on node3 sh -c "head -c 56m /dev/zero >$spool/others"
	wait_for 60 agents_answer
	start c swarmcap capture web -f "$FLOOD" -o "$SHARE/floor.tar"
	armed c
	witness seen "$task"
	FROM=client@node3 flood sent "$task" 20000 4000
	ends sent
	sleep 2
	testify seen
	stop c 3
	run_on node3 umount -l "$spool"
	docker_on node3 rm -f "$(agent_on node3)" >/dev/null
	unpack "$SHARE/floor.tar"
	whole
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .end] | join(\" \")")" = disk-floor ]
	[ "$(manifest '[.targets[] | select(.node != "node3") | .end] | unique | join(" ")')" = stopped ]
	stamps "$unpacked"/node3-"$task".*.pcapng >"$BATS_TEST_TMPDIR/have"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/have")" -ge 500 ]
	[ "$(manifest "[.targets[] | select(.task == \"$task\") | .packets] | add")" -eq "$(wc -l <"$BATS_TEST_TMPDIR/have")" ]
	# the first ones, without a hole
	last=$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/have" | sort | tail -n 1)
	[ "$(stamps "$BATS_TEST_TMPDIR/seen.out" | awk -v last="$last" '$2 < last - 0.02' | cut -d' ' -f1 |
		sort | comm -23 - <(cut -d' ' -f1 "$BATS_TEST_TMPDIR/have" | sort) | wc -l)" -eq 0 ]
	wait_for 60 agents_answer
}

@test "a service is scaled to zero, updated and removed: its tasks end, with all that came, exit 0" {
	local how name task on container
	is_gone() { [ "$(docker_on "$on" inspect -f '{{.State.Running}}' "$container" 2>/dev/null)" != true ]; }
	for how in 'update --replicas 0' 'update --force' rm; do
		name=brief-${how: -1}
		lab service "$name" 2 serve 80
		read -r task on container < <(placed "$name" | head -n 1)
		task=$(cut -d. -f1,2 <<<"$task")
		start c swarmcap capture "$name" -f "$FLOOD" -o "$SHARE/$name.tar"
		armed c
		witness seen "$task"
		flood sent "$task" 300 300
		ends sent
		# shellcheck disable=SC2086 # words
		docker_on node1 service ${how/update/update -q --detach} "$name" >/dev/null
		wait_for 60 is_gone
		wait_for 60 grep -q "$task\..* ended: task-ended" "$BATS_TEST_TMPDIR/c.err"
		stop seen 0 || true
		stop c
		unpack "$SHARE/$name.tar"
		whole
		[ "$(manifest "[.targets[] | select(.task == \"$task\" and .packets > 0) | .end] | join(\" \")")" = task-ended ]
		[ "$(manifest "[.targets[] | select(.task == \"$task\") | .packets] | add")" -eq 300 ]
		nothing_missing
	done
}

# clock_file add|rm: agents look for a file that shifts their clock, or no longer
clock_file() {
	local value=SWARMCAP_TEST_CLOCK_FILE
	[ "$1" = rm ] || value+==/var/lib/swarmcap/clock
	docker_on node1 service update -q --detach "--env-$1" "$value" swarmcap-agent >/dev/null
	shifts() { docker_on node3 inspect -f '{{.Config.Env}}' "$(agent_on node3)" | grep -q TEST_CLOCK; }
	shifts_not() { ! shifts; }
	wait_for 60 "$([ "$1" = add ] && echo shifts || echo shifts_not)"
	wait_for 60 agents_answer
}

# The numbers of datagrams, which are text before a space, in a file's order
numbers() {
	tshark -r "$1" -T fields -e udp.payload 2>/dev/null | while read -r hex; do
		# shellcheck disable=SC2059 # the digits as escapes
		printf "$(sed 's/20.*//; s/../\\x&/g' <<<"$hex")\n"
	done
}

@test "a node's clock is 750 ms ahead: the merged file has the true order, and tells the offset" {
	local task
	task=$(web_on node3)
	clock_file add
	run_on node3 sh -c "echo 0.75 >$(spool_of node3)/clock"
	is_ahead() { { swarmcap doctor --json || true; } | jq -r 'select(.node == "node3") | .clock_offset_ns > 7e8' | grep -q true; }
	wait_for 60 is_ahead
	start c swarmcap capture web client -f "$FLOOD" --merge -o "$SHARE/ahead.tar"
	armed c
	# each is seen where it is sent, on node1, and where it comes to: 20 ms before the next one
	flood sent "$task" 100 50
	ends sent
	sleep 1.5
	stop c
	run_on node3 rm "$(spool_of node3)/clock"
	unpack "$SHARE/ahead.tar"
	nothing_missing
	manifest '.nodes[] | "\(.name) \(.clock_offset_ns) \(.clock_error_ns)"'
	[ "$(manifest '.nodes[] | select(.name == "node3") | (.clock_offset_ns - 750000000 | fabs) <= .clock_error_ns + 1000000')" = true ]
	capinfos "$unpacked/merged.pcapng" | grep 'Capture comment' | grep -qE 'node3: clock \+7(49|50)[.][0-9]+ ms, known to '
	numbers "$unpacked/merged.pcapng" >"$BATS_TEST_TMPDIR/numbers"
	sort -c -n "$BATS_TEST_TMPDIR/numbers"
	[ "$(uniq -c "$BATS_TEST_TMPDIR/numbers" | awk '$1 == 2' | wc -l)" -eq 100 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/numbers")" -eq 200 ]
	# what that takes away: as the clocks have it, the order is another
	"$BUILD/swarmcap" -q archive merge --no-clock-correction "$SHARE/ahead.tar" -o "$BATS_TEST_TMPDIR/raw.pcapng"
	[ "$(numbers "$BATS_TEST_TMPDIR/raw.pcapng" | wc -l)" -eq 200 ]
	run -1 sort -c -n <(numbers "$BATS_TEST_TMPDIR/raw.pcapng")
	clock_file rm
}

@test "a node's clock jumps by an hour: nothing is missing, and the manifest says so" {
	local task
	task=$(web_on node3)
	clock_file add
	start c swarmcap capture web -f "$FLOOD" --rotate-time 2s -o "$SHARE/clock.tar"
	armed c
	witness seen "$task"
	flood sent "$task" 1600 200
	sleep 3
	run_on node3 sh -c "echo 3600 >$(spool_of node3)/clock"
	ends sent
	testify seen
	sleep 1
	stop c
	run_on node3 rm "$(spool_of node3)/clock"
	unpack "$SHARE/clock.tar"
	whole
	nothing_missing
	outside seen "$task"
	[ "$have" -eq 1600 ]
	awk -v last="$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/seen.seen" | sort | tail -n 1)" '$2 > last + 3000 { n++ } END { exit !(n > 500) }' "$BATS_TEST_TMPDIR/seen.have"
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]
	[ "$(manifest '.nodes[] | select(.name == "node3") | [.notes[] | select(test("clock was moved by .3[56][0-9][0-9] s"))] | length')" -eq 1 ]
	clock_file rm
}

@test "the coordinator is killed, and files are damaged on two nodes: fetch finds it by their digests, and has the others" {
	local id two three
	two=$(web_on node2) three=$(web_on node3)
	start c env SWARMCAP_TEST_LEASE=11s "$top/tests/lab/lab" exec node1 "$BUILD/swarmcap" capture web -f "$FLOOD" -o "$SHARE/damaged.tar"
	armed c
	for task in "$two" "$three"; do
		flood sent "$task" 500 1000
		ends sent
	done
	id=$(newest_id)
	run_on node1 pkill -KILL -f "capture web .*-o $SHARE/damaged.tar"
	ends c 137
	ended_there() { ! run_on "$1" sh -c "ls -A $(spool_of "$1")/$id" | grep -q 'part$\|life'; }
	wait_for 60 ended_there node2
	wait_for 60 ended_there node3
	# the larger file of the node's two
	largest() { run_on "$1" sh -c "ls -S $(spool_of "$1")/$id/*.pcapng | head -n 1"; }
	run_on node2 truncate -s 0 "$(largest node2)"
	printf '\377' | run_on node3 dd of="$(largest node3)" bs=1 seek=20000 conv=notrunc status=none
	run -3 swarmcap fetch "$id" -o "$SHARE/mended.tar"
	unpack "$SHARE/mended.tar"
	whole
	[ "$(manifest "[.missing[] | select(.node == \"node2\" and (.what | test(\"file .* of task $two\")) and (.error | test(\"damaged|has but\")))] | length")" -eq 1 ]
	[ "$(manifest "[.missing[] | select(.node == \"node3\" and (.what | test(\"file .* of task $three\")) and (.error | test(\"does not match, twice\")))] | length")" -eq 1 ]
	[ "$(find "$unpacked" -name '*.pcapng' | wc -l)" -eq 4 ]
}
