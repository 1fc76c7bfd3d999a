# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# faults.bash - for the files that break something during a capture (loaded after capture)
#
#   FLOOD                    the filter of all that follows: numbered datagrams to tasks of web, and nothing else
#   witness NAME TASK        a tcpdump beside ours, in the task's namespace; the packets grow in $BATS_TEST_TMPDIR/NAME.out
#   testify NAME             it ends; what it saw last is written
#   flood NAME TASK COUNT [PPS]   datagrams to the task in the background (client@node1 sends, or $FROM); ends NAME waits,
#                            end_flood NAME does not
#   stamps FILE...           the timestamps of all packets, sorted: two programs that saw the same packet have the same
#   outside WITNESS TASK     every packet of the witness that the manifest does not call missing is in the archive, and
#                            no other, each once; sets $seen, $have
#   gaps TASK                "from to" of each entry of the task under missing, in seconds
#   agents_answer            doctor is content
#   newest_id                the id of the youngest capture in any node's spool
#   nothing_stays            no task of web and no node has a packet socket in its namespace, or an interface that we made promiscuous
#   agent_on NODE, agent_pid NODE

newest_id() {
	local n
	for n in $(lab nodes); do run_on "$n" sh -c 'ls /var/lib/docker/volumes/*/_data 2>/dev/null'; done |
		grep -E '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$' | sort | tail -n 1
}

FLOOD='udp and dst port 80'

agent_on() { docker_on "$1" ps -q --no-trunc --filter label=com.docker.swarm.service.name=swarmcap-agent; }
agent_pid() { docker_on "$1" inspect -f '{{.State.Pid}}' "$(agent_on "$1")"; }
agents_answer() { run -0 swarmcap doctor; }

witness() {
	pid_of "$2"
	start "$1" run_on "$node" nsenter -t "$pid" -n tcpdump -i any -nn -U -B 8192 --time-stamp-precision=nano -w - "$FLOOD"
	wait_for 20 grep -q 'listening on' "$BATS_TEST_TMPDIR/$1.err"
}

testify() { sleep 1.5; stop "$1"; }

address_of() { in_task "$1" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }

flood() {
	local to from container
	to=$(address_of "$2")
	read -r _ from container < <(find_task "${FROM:-client@node1}")
	start "$1" "$top/tests/lab/lab" docker "$from" exec "$container" /workload flood "$to" 80 "$3" 200 "${4:-100}"
}

end_flood() {
	local from
	from=$(node_of "${FROM:-client@node1}")
	run_on "$from" pkill -KILL -f '^/workload flood' || true
	wait "${!1}" || true
}

stamps() {
	local f
	for f; do tcpdump -r "$f" -nn -tt --time-stamp-precision=nano "$FLOOD" 2>/dev/null | cut -d' ' -f1; done | sort
}

gaps() {
	manifest ".missing[] | select(.what == \"task $1\") | [.from, .to // \"9999-12-31T00:00:00.0Z\"] | @tsv" |
		while read -r from to; do echo "$(date -d "$from" +%s.%N) $(date -d "$to" +%s.%N)"; done
}

# The clocks of a lab are one, and what the manifest corrects is how well that is known.
outside() {
	local f files=()
	while read -r f; do files+=("$unpacked/$f"); done < <(manifest ".targets[] | select(.task == \"$2\") | .files[].name")
	stamps "$BATS_TEST_TMPDIR/$1.out" >"$BATS_TEST_TMPDIR/$1.seen"
	stamps "${files[@]}" >"$BATS_TEST_TMPDIR/$1.have"
	gaps "$2" >"$BATS_TEST_TMPDIR/$1.gaps"
	seen=$(wc -l <"$BATS_TEST_TMPDIR/$1.seen") have=$(wc -l <"$BATS_TEST_TMPDIR/$1.have")
	echo "$2: the witness saw $seen, the archive has $have, missing: $(<"$BATS_TEST_TMPDIR/$1.gaps")"
	[ -z "$(uniq -d "$BATS_TEST_TMPDIR/$1.have")" ]
	# within the witness' time there is nothing that it did not see
	[ -z "$(comm -13 "$BATS_TEST_TMPDIR/$1.seen" "$BATS_TEST_TMPDIR/$1.have" |
		awk -v a="$(head -n 1 "$BATS_TEST_TMPDIR/$1.seen")" -v b="$(tail -n 1 "$BATS_TEST_TMPDIR/$1.seen")" '$1 > a && $1 < b')" ]
	[ -z "$(comm -23 "$BATS_TEST_TMPDIR/$1.seen" "$BATS_TEST_TMPDIR/$1.have" |
		awk 'NR == FNR { from[NR] = $1 - 0.01; to[NR] = $2 + 0.01; n = NR; next }
			{ for (i = 1; i <= n; i++) if ($1 > from[i] && $1 < to[i]) next; print }' "$BATS_TEST_TMPDIR/$1.gaps" -)" ]
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
nothing_stays() { wait_for 20 no_packet_sockets; }
