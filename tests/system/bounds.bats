#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bounds that hold whatever dies: deadline, lease, quota, memory, and nothing left open in anybody's namespace.

load helpers
load capture
load faults

setup_file() { capture_lab 3 10; }
teardown_file() { lab_down; }

# Ours on node1 that writes this archive
coordinator() { run_on node1 pkill "-$2" -f "capture web .*-o $SHARE/$1.tar"; }
agent_args() { docker_on node1 service inspect -f '{{join .Spec.TaskTemplate.ContainerSpec.Args " "}}' swarmcap-agent; }

# change ARG...: of the agents' service; returns when new agents answer
change() {
	local old n
	old=$(for n in $(lab nodes); do agent_on "$n"; done)
	docker_on node1 service update -q --detach "$@" swarmcap-agent >/dev/null
	others() { for n in $(lab nodes); do ! grep -qxF "$(agent_on "$n")" <<<"$old" || return 1; done; }
	wait_for 60 others
	wait_for 60 agents_answer
}
all_ended() { [ -z "$(for n in $(lab nodes); do run_on "$n" sh -c 'ls /var/lib/docker/volumes/*/_data/*/life.json 2>/dev/null'; done)" ]; }

@test "a coordinator that hangs: an agent stops at the lease's end, or at the deadline, with all that came before" {
	start l env SWARMCAP_TEST_LEASE=10s "$top/tests/lab/lab" exec node1 "$BUILD/swarmcap" capture web -f "$FLOOD" -o "$SHARE/lease.tar"
	start d swarmcap capture web -f "$FLOOD" -d 3s --route agent -o "$SHARE/deadline.tar"
	armed d
	# before its 3 s are over; the agents go on for ten more
	coordinator deadline STOP
	armed l
	exec_task client@node1 /workload flood "$(address_of web.1)" 80 200 200 1000
	coordinator lease STOP
	wait_for 60 all_ended
	nothing_stays
	coordinator lease CONT
	coordinator deadline CONT
	ends l 3
	ends d
	unpack "$SHARE/lease.tar"
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = lease-expired ]
	[ "$(manifest '[.targets[] | select(.task == "web.1") | .packets] | add')" -eq 200 ]
	unpack "$SHARE/deadline.tar"
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = duration ]
	[ "$(manifest '[.targets[] | select(.task == "web.1") | .packets] | add')" -eq 200 ]
	# 13 s after arm, where no ssh may have to come first
	[ "$(manifest '[.targets[] | (.stopped | sub("\\..*"; "Z") | fromdate) - (.started | sub("\\..*"; "Z") | fromdate) | . >= 12 and . <= 30] | all')" = true ]
}

@test "the quota: the largest target ends, the others go on, and the spool was never larger" {
	local args quota=$((4 << 20)) used most=0 spool
	args=$(agent_args)
	change --args "$args --quota 4m"
	pid_of web.1
	spool=$(run_on "$node" sh -c 'echo /var/lib/docker/volumes/*/_data' | tr ' ' '\n' | grep swarmcap)
	docker_on node1 service scale -d web=6 >/dev/null
	six() { [ "$(placed web | wc -l)" -eq 6 ]; }
	wait_for 60 six
	start q swarmcap capture web -f "$FLOOD" -o "$SHARE/quota.tar"
	armed q
	FROM=client@$node flood sent web.1 20000 4000
	while kill -0 "$sent" 2>/dev/null; do
		used=$(run_on "$node" sh -c "cat $spool/*/*pcapng* $spool/*/.*pcapng* 2>/dev/null | wc -c")
		[ "$used" -le "$most" ] || most=$used
	done
	ends sent
	echo "most $most"
	[ "$most" -le "$quota" ]
	exec_task client@node1 /workload flood "$(address_of web.2)" 80 100 200 1000
	stop q 3
	unpack "$SHARE/quota.tar"
	[ "$(manifest '[.targets[] | select(.task == "web.1") | .end] | join(" ")')" = quota ]
	[ "$(manifest '[.targets[] | select(.task == "web.1") | .packets > 1000] | all')" = true ]
	[ "$(manifest '[.targets[] | select(.task != "web.1") | .end] | unique | join(" ")')" = stopped ]
	[ "$(manifest '[.targets[] | select(.task == "web.2") | .packets] | add')" -eq 100 ]
	nothing_stays
	change --args "$args"
}

@test "memory: an agent with a limit of 128 MiB captures a flood, fetches at the same time, and is not killed" {
	local before n limit=128m
	# it keeps two or three bytes for each of the rings', which are charged to nobody, and these to the agent
	[[ "$BUILD" != *san-thread* ]] || limit=256m
	change --limit-memory $limit
	before=$(for n in $(lab nodes); do agent_on "$n"; done)
	pid_of web.1
	[ "$(docker_on "$node" inspect -f '{{.HostConfig.Memory}}' "$(agent_on "$node")")" -eq $((${limit%m} << 20)) ]
	# where they are sent each passes the tap before anything can lose it
	for n in one two; do
		start "$n" swarmcap capture client -f "$FLOOD" --rotate-bytes 8m -o "$SHARE/$n.tar"
		armed "$n"
		FROM=client@$node flood sent web.1 60000 15000
		ends sent
		# its files go out while the next capture's come in
		kill -INT "${!n}"
	done
	ends one
	ends two
	for n in one two; do
		unpack "$SHARE/$n.tar"
		[ "$(manifest "[.targets[] | select(.node == \"$node\") | .packets + .dropped_kernel + .dropped_agent] | add")" -eq 60000 ]
		(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	done
	[ "$(for n in $(lab nodes); do agent_on "$n"; done)" = "$before" ]
	[ "$(docker_on "$node" inspect -f '{{.State.OOMKilled}}' "$(agent_on "$node")")" = false ]
	change --limit-memory 512m
}

# From the ring to the archive: nobody sums them up before they are fetched
@test "a flood of large packets is gathered whole, and its archive holds what it says" {
	local file
	pid_of web.1
	start large swarmcap capture client -f "$FLOOD" -o "$SHARE/large.tar"
	armed large
	FROM=client@$node flood sent web.1 40000 20000 1300
	ends sent
	kill -INT "$large"
	ends large
	unpack "$SHARE/large.tar"
	file=$(file_of "client@$node")
	LC_ALL=C grep -aq $'rlf\x80' "$file"
	[ "$(capinfos -Mc "$file" | awk '/^Number of packets/ { print $NF }')" -eq 40000 ]
	[ "$(manifest "[.targets[] | .dropped_kernel + .dropped_agent] | add")" -eq 0 ]
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	swarmcap archive verify "$SHARE/large.tar"
}

@test "a task that dies, and an agent that dies: no namespace stays open, no interface promiscuous" {
	local fds
	fds_of() { run_on "$node" sh -c "ls /proc/$(agent_pid "$node")/fd | wc -l"; }
	pid_of web.1
	fds=$(fds_of)
	start n swarmcap capture web client -d 1h -o "$SHARE/names.tar"
	wait_for 60 grep -q 'capturing [0-9]* of' "$BATS_TEST_TMPDIR/n.err"
	docker_on "$node" kill "$(find_task web.1 | cut -d' ' -f3)" >/dev/null
	sleep 2
	stop n
	nothing_stays
	# connections of doctor and the coordinator take their time to close
	fds_again() { [ "$(fds_of)" -le "$fds" ]; }
	wait_for 90 fds_again
}
