# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# faults.bash - for the files that break something during a capture (loaded after capture)
#
#   FLOOD                    the filter of all that follows: numbered datagrams to tasks of web, and nothing else
#   witness NAME TASK        a tcpdump beside ours, in the task's namespace; the packets grow in $BATS_TEST_TMPDIR/NAME.out
#   testify NAME             it ends; what it saw last is written
#   flood NAME TASK COUNT [PPS [SIZE]]   datagrams to the task in the background (client@node1 sends, or $FROM); ends NAME waits,
#                            end_flood NAME does not
#   stamps FILE...           "PORT-NUMBER TIME" of all datagrams, sorted: floods have ports of their own
#   outside WITNESS TASK     every packet of the witness that the manifest does not call missing is in the archive, and
#                            no other, each once; sets $seen, $have
#   gaps TASK                "from to" of each entry of the task under missing, in seconds
#   agents_answer            doctor is content
#   newest_id                the id of the youngest capture in any node's spool
#   nothing_stays            no task of web and no node has a packet socket in its namespace, or an interface that we made promiscuous
#   well                     all nodes are ready, all agents answer, web has two tasks on each node ($manager knows)
#   web_on NODE              the first task of web there; spool_of NODE its agent's spool
#   whole, nothing_missing   of what was unpacked
#   agent_on NODE, agent_pid NODE

newest_id() {
	local n
	for n in $(lab nodes); do run_on "$n" sh -c 'ls /var/lib/docker/volumes/*/_data 2>/dev/null'; done |
		grep -E '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$' | sort | tail -n 1
}

manager=node1
FLOOD='udp and dst port 80'

agent_on() { docker_on "$1" ps -q --no-trunc --filter label=com.docker.swarm.service.name=swarmcap-agent; }
agent_pid() { docker_on "$1" inspect -f '{{.State.Pid}}' "$(agent_on "$1")"; }
agents_answer() { run -0 swarmcap doctor; }

witness() {
	pid_of "$2"
	start "$1" run_on "$node" nsenter -t "$pid" -n tcpdump -i any -nn -U -B 8192 --time-stamp-precision=nano -w - "$FLOOD"
	wait_for 60 grep -q 'listening on' "$BATS_TEST_TMPDIR/$1.err"
}

testify() { sleep 1.5; stop "$1"; }

address_of() { in_task "$1" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }

flood() {
	local to from container
	to=$(address_of "$2")
	read -r _ from container < <(find_task "${FROM:-client@node1}")
	start "$1" "$top/tests/lab/lab" docker "$from" exec "$container" /workload flood "$to" 80 "$3" "${5:-200}" "${4:-100}"
}

end_flood() {
	local from
	from=$(node_of "${FROM:-client@node1}")
	run_on "$from" pkill -KILL -f '^/workload flood' || true
	wait "${!1}" || true
}

# tshark's words on 2000 packets cost a second
stamps() {
	local f
	for f; do
		tshark -r "$f" -Y 'udp.dstport == 80' -T fields -e udp.srcport -e udp.payload -e frame.time_epoch 2>/dev/null |
			awk '{ sub(/20.*/, "", $2); print $1 "-" $2, $3 }'
	done | sort
}

gaps() {
	manifest ".missing[] | select(.what == \"task $1\") | [.from, .to // \"9999-12-31T00:00:00.0Z\"] | @tsv" |
		while read -r from to; do echo "$(date -d "$from" +%s.%N) $(date -d "$to" +%s.%N)"; done
}

# The clocks of a lab are one. Each socket takes its own time of a packet, so there is some slack.
outside() {
	local f files=() at=$BATS_TEST_TMPDIR/$1
	while read -r f; do files+=("$unpacked/$f"); done < <(manifest ".targets[] | select(.task == \"$2\") | .files[].name")
	stamps "$at.out" >"$at.seen"
	stamps "${files[@]}" >"$at.have"
	gaps "$2" >"$at.gaps"
	seen=$(wc -l <"$at.seen") have=$(wc -l <"$at.have")
	echo "$2: the witness saw $seen, the archive has $have, missing: $(<"$at.gaps")"
	[ -z "$(cut -d' ' -f1 "$at.have" | uniq -d)" ] || { echo "twice: $(cut -d' ' -f1 "$at.have" | uniq -d)"; return 1; }
	# within the witness' time there is nothing that it did not see
	awk 'NR == FNR { saw[$1] = 1; if (!a || $2 < a) a = $2; if ($2 > b) b = $2; next }
		!($1 in saw) && $2 > a + 0.02 && $2 < b - 0.02 { print "only swarmcap saw: " $0; bad = 1 }
		END { exit bad }' "$at.seen" "$at.have"
	awk 'FILENAME == ARGV[1] { from[++n] = $1 - 0.02; to[n] = $2 + 0.02; next }
		FILENAME == ARGV[2] { has[$1] = 1; next }
		$1 in has { next }
		{ for (i = 1; i <= n; i++) if ($2 > from[i] && $2 < to[i]) next; print "only the witness saw: " $0; bad = 1 }
		END { exit bad }' "$at.gaps" "$at.have" "$at.seen"
}

# A bridge's ports are promiscuous by themselves; a task's interfaces are none.
no_packet_sockets() {
	local n task
	for n in $(lab nodes); do [ "$(run_on "$n" cat /proc/net/packet | wc -l)" -eq 1 ] || return 1; done
	for task in $(placed web | cut -d. -f1,2); do
		[ "$(in_task "$task" cat /proc/net/packet | wc -l)" -eq 1 ] || return 1
		! in_task "$task" ip -d link show | grep -q 'promiscuity [1-9]' || return 1
	done
}
nothing_stays() { wait_for 60 no_packet_sockets; }

# The first task of web on a node
web_on() { placed web | awk -v n="$1" '$2 == n { sub(/\.[^.]*$/, "", $1); print $1; exit }'; }
# service ls counts tasks that are about to end, too
all_run() {
	[ "$(docker_on "$manager" service ls --format '{{.Name}} {{.Replicas}}' | grep -cE '^(web 6/6|client 3/3)$')" -eq 2 ] &&
		[ "$(docker_on "$manager" service ps web --filter desired-state=running --format '{{.CurrentState}}' | grep -c ^Running)" -eq 6 ]
}
nodes_ready() { [ "$(docker_on "$manager" node ls --format '{{.Status}}' | grep -c Ready)" -eq 3 ]; }
balanced() { [ "$(placed web | awk '{ n[$2]++ } END { print n["node1"], n["node2"], n["node3"] }')" = '2 2 2' ]; }
none_runs() { [ -z "$(placed web)" ]; }
# Placed anew; a manager may choose its leader meanwhile, or think little of a node that has just come back
spread() {
	docker_on "$manager" service scale -d web=0 && wait_for 60 none_runs &&
		docker_on "$manager" service scale -d web=6 && wait_for 60 all_run && wait_for 10 balanced
}
# A node that was away has lost its tasks to the others. Swarm takes its time for that, on a busy machine above all.
well() {
	wait_for 120 nodes_ready
	wait_for 60 agents_answer
	wait_for 180 all_run
	balanced || wait_for 240 spread
}
spool_of() { run_on "$1" sh -c 'echo /var/lib/docker/volumes/*/_data' | tr ' ' '\n' | grep swarmcap; }
whole() { (cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS); }
nothing_missing() { [ "$(manifest '.missing | length')" -eq 0 ] || { manifest .missing; return 1; }; }
