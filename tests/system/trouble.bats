#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What bad input and bad luck get: a clear message and the right exit status. The tests that break a node come last.

load helpers
load capture

setup_file() { capture_lab 6 30; }
teardown_file() { lab_down; }

agent_on() { docker_on "$1" ps -q --no-trunc --filter label=com.docker.swarm.service.name=swarmcap-agent; }
agent_pid() { docker_on "$1" inspect -f '{{.State.Pid}}' "$(agent_on "$1")"; }
agents_answer() { run -0 swarmcap doctor; }
tasks_on() { placed "$1" | awk -v n="$2" '$2 == n { sub(/\.[^.]*$/, "", $1); print $1 }'; }
node_is() { [ "$(docker_on node1 node inspect -f '{{.Status.State}}' "$1")" = "$2" ]; }
all_run() { [ "$(docker_on node1 service ls --format '{{.Name}} {{.Replicas}}' | grep -cE '^(web 6/6|client 3/3)$')" -eq 2 ]; }
nothing_hidden() { [ -z "$(find "$SHARE" -name '.*')" ]; }

# Each task of web on a node is under missing, with one of these reasons and a sentence; the others are targets
missing_on() {
	local task
	for task in $(tasks_on web "$1"); do
		[ "$(manifest "[.missing[] | select(.what == \"task $task\" and .node == \"$1\" and (.error | length) > 0)
			| .reason | test(\"^($2)\$\")] == [true]")" = true ]
	done
	[ "$(manifest "[.targets[] | select(.node == \"$1\")] | length")" -eq 0 ]
	[ "$(manifest '.targets | length')" -eq $((6 - $(tasks_on web "$1" | wc -l))) ]
	[ "$(manifest '.targets[] | select(.packets == 0) | .task')" = "" ]
}

# ---- Docker

@test "no Docker: exit 1, and where it was looked for" {
	run -1 --separate-stderr swarmcap -H unix:///run/no-such.sock capture web -d 1s
	[ -z "$output" ]
	[[ "$stderr" == "swarmcap: "*no-such.sock* ]]
	run -1 swarmcap -H tcp://127.0.0.1:1 capture web -d 1s
	run -1 run_on node1 env DOCKER_HOST=unix:///run/other.sock "$BUILD/swarmcap" capture web -d 1s
	[[ "$output" == *other.sock* ]]
}

@test "no permission on the socket: exit 1, and what to do" {
	run_on node1 install -m 755 "$BUILD/swarmcap" /tmp/swarmcap
	run -1 run_on node1 setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp /tmp/swarmcap capture web -d 1s
	grep -qi 'permission' <<<"$output"
}

@test "a worker instead of a manager: exit 1, and a hint at a manager" {
	NODE=node2 run -1 swarmcap capture web -d 1s
	grep -qi 'manager' <<<"$output"
	NODE=node2 run -1 swarmcap doctor
	grep -qi 'manager' <<<"$output"
}

@test "no certificates: exit 1, and the command that makes them" {
	run -1 swarmcap --credentials /no/such/folder capture web -d 200ms -o "$SHARE/none.tar"
	[[ "$output" == *"swarmcap deploy"* ]]
	[ ! -e "$SHARE/none.tar" ]
}

# ---- selectors and options

@test "an unknown service: exit 4 before any node is contacted, and no prefix is good enough" {
	run -4 swarmcap capture nosuch -d 1s -o "$SHARE/no.tar"
	[[ "$output" == *nosuch* ]]
	# of a name; with a dash, for letters alone may begin an id, too, and a unique one is good enough
	run -4 swarmcap capture swarmcap-a -d 1s -o "$SHARE/no.tar"
	run -4 swarmcap capture web nosuch -d 1s -o "$SHARE/no.tar"
	[ ! -e "$SHARE/no.tar" ]
	nothing_hidden
}

@test "a service with no running task: exit 4 alone, a note beside one with" {
	docker_on node1 service create -q --detach --no-resolve-image --replicas 0 --name idle swarmcap-workload >/dev/null
	run -4 swarmcap capture idle -d 1s -o "$SHARE/idle.tar"
	[[ "$output" == *idle* ]]
	[ ! -e "$SHARE/idle.tar" ]
	run -0 swarmcap capture web idle -d 200ms -o "$SHARE/idle.tar"
	unpack "$SHARE/idle.tar"
	manifest '.notes[]' | grep -q idle
	[ "$(manifest '.missing | length')" -eq 0 ]
}

@test "an ambiguous id: exit 2" {
	local n first=''
	# ids begin with one of a few digits and letters, so soon there are two with the same
	for n in $(seq 40); do
		first=$(docker_on node1 service ls --format '{{.ID}}' | cut -c1 | sort | uniq -d | head -n 1)
		[ -z "$first" ] || break
		docker_on node1 service create -q --detach --no-resolve-image --replicas 0 --name "idle$n" swarmcap-workload >/dev/null
	done
	run -2 swarmcap capture "$first" -d 1s -o "$SHARE/no.tar"
	grep -q "several services' ids" <<<"$output"
}

@test "a filter that does not compile: exit 2 with pcap's words, though no Docker is there" {
	run -2 swarmcap -H unix:///run/no-such.sock capture web -f 'tcp prot 80' -d 1s
	grep -q 'syntax error' <<<"$output"
	run -2 swarmcap capture web -f 'port 99999' -d 1s
}

@test "options that are not: exit 2" {
	local option
	for option in --nosuch --live --keep-files=2 --rotate-bytes=63k --rotate-time=0s --fetch-rate=1k --route=nosuch -d0s -dabc --max-packets=0 \
		--max-bytes=1x --format=erf --format=PCAP; do
		run -2 swarmcap capture web "$option"
	done
	run -2 swarmcap capture
	run -2 swarmcap capture web -o x.rar -d 1s
	run -2 swarmcap nosuch
	run -2 swarmcap fetch not-an-id
	run -2 swarmcap fetch ../../etc/passwd
	run -0 --separate-stderr swarmcap capture --help
	[ -z "$stderr" ]
}

# ---- outputs

@test "an unwritable output: refused before any node is contacted" {
	run -1 swarmcap capture web -d 1h -o /proc/no.tar
	[[ "$output" == */proc/no.tar* ]]
	run -1 swarmcap capture web -d 1h -o /no/such/folder/x.tar
	[[ "$output" == *folder* ]]
}

@test "an output that exists: exit 2 unless --force" {
	echo old >"$SHARE/old.tar"
	run -2 swarmcap capture web -d 1h -o "$SHARE/old.tar"
	[[ "$output" == *--force* ]]
	[ "$(cat "$SHARE/old.tar")" = old ]
	run -0 swarmcap capture web -d 200ms -o "$SHARE/old.tar" --force
	unpack "$SHARE/old.tar"
	nothing_hidden
}

@test "the disk fills while gathering: the captures stay on the nodes, and fetch gets them" {
	local id to
	run_on node1 sh -c 'mkdir -p /mnt/small && mount -t tmpfs -o size=300k tmpfs /mnt/small'
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start full swarmcap capture web -o /mnt/small/full.tar
	armed full
	exec_task client@node1 /workload flood "$to" 80 2000 1000
	stop full 1
	grep -qi 'full\|no space' "$BATS_TEST_TMPDIR/full.err"
	id=$(id_in "$BATS_TEST_TMPDIR/full.err")
	grep -q "swarmcap fetch $id" "$BATS_TEST_TMPDIR/full.err"
	[ -z "$(run_on node1 ls -A /mnt/small)" ]
	run -0 swarmcap fetch "$id" -o "$SHARE/full.tar"
	unpack "$SHARE/full.tar"
	[ "$(manifest '.targets[] | select(.task == "web.1") | .packets')" -ge 2000 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	run_on node1 umount /mnt/small
}

# ---- tasks

# has_ended TASK: in the capture that runs
has_ended() {
	local id
	id=$(swarmcap status --json | jq -r 'select(.state == "running") | .id')
	swarmcap status "$id" --json | grep -F "\"target\":\"$1." | grep -qF '"state":"task-ended"'
}

@test "a task that ends in the middle: its capture so far, reason task-ended, exit 0" {
	start ends swarmcap capture web --no-follow -o "$SHARE/ends.tar"
	armed ends
	sleep 0.5
	pid_of web.3
	docker_on "$node" kill "$(find_task web.3 | cut -d' ' -f3)"
	wait_for 60 has_ended web.3
	stop ends
	unpack "$SHARE/ends.tar"
	[ "$(manifest '[.targets[] | select(.task == "web.3") | .end] | join(" ")')" = task-ended ]
	[ "$(manifest '.targets[] | select(.task == "web.3") | .packets')" -gt 0 ]
	[ "$(manifest '[.targets[] | select(.task != "web.3") | .end] | unique | join(" ")')" = stopped ]
	capinfos "$unpacked/$(manifest '.targets[] | select(.task == "web.3") | .files[0].name')" >/dev/null
	wait_for 60 all_run
}

# ---- agents

silent_on() { [ "$(run_on "$1" ss -Htn state established 'sport = :9473' | grep -c "$(lab address node1):")" -ge 5 ]; }

# From a container beside the coordinator: to the other nodes' agents both have the same address.
@test "100 silent connections from a container do not delay an arm by more than a second" {
	local alone beside silent from=${EPOCHREALTIME/./}
	run -0 swarmcap capture web -d 100ms -o "$SHARE/alone.tar"
	alone=$((${EPOCHREALTIME/./} - from))
	# shellcheck disable=SC2016 # for the shell in the container's network namespace
	in_task client@node1 bash -c 'for node; do
			(for i in {1..100}; do exec {fd}<>"/dev/tcp/$node/9473"; done
			for i in {1..300}; do [ ! -e "$0" ] || break; sleep 0.2; done) &
		done; wait' "$SHARE/enough" "$(lab address node1)" "$(lab address node2)" "$(lab address node3)" 3>&- &
	silent=$!
	wait_for 20 silent_on node2
	from=${EPOCHREALTIME/./}
	run -0 swarmcap capture web -d 100ms -o "$SHARE/beside.tar"
	beside=$((${EPOCHREALTIME/./} - from))
	silent_on node2
	touch "$SHARE/enough"
	wait $silent
	echo "alone $alone us, beside $beside us"
	[ $((beside - alone)) -lt 1000000 ]
}

@test "an agent that does not answer: the rest is captured, its tasks are missing, exit 3" {
	local pid from=$SECONDS
	pid=$(agent_pid node3)
	run_on node3 kill -STOP "$pid"
	run -3 swarmcap capture web -d 500ms -o "$SHARE/silent.tar"
	run_on node3 kill -CONT "$pid"
	[ $((SECONDS - from)) -lt 20 ]
	unpack "$SHARE/silent.tar"
	missing_on node3 'agent-missing|agent-lost|node-lost'
	grep -q node3 <<<"$output"
}

@test "an agent that dies in the middle: the rest is whole, what it had is in the archive or missing, exit 3" {
	start dies swarmcap capture web -o "$SHARE/dies.tar"
	armed dies
	sleep 0.3
	run_on node3 kill -KILL "$(agent_pid node3)"
	wait_for 60 agents_answer
	stop dies 3
	unpack "$SHARE/dies.tar"
	for task in $(tasks_on web node3); do
		[ "$(manifest "[.targets[] | select(.task == \"$task\") | select(.end == \"agent-lost\")]
			+ [.missing[] | select(.what == \"task $task\")] | length")" -ge 1 ]
	done
	[ "$(manifest '[.targets[] | select(.node != "node3") | .end] | unique | join(" ")')" = stopped ]
	for f in "$unpacked"/*.pcapng; do capinfos "$f" >/dev/null; done
}

@test "an agent that is missing on a node: its tasks are missing with why, exit 3" {
	docker_on node1 node update --availability pause node3 >/dev/null
	docker_on node3 rm -f "$(agent_on node3)" >/dev/null
	run -3 swarmcap capture web -d 500ms -o "$SHARE/absent.tar"
	docker_on node1 node update --availability active node3 >/dev/null
	unpack "$SHARE/absent.tar"
	missing_on node3 agent-missing
	wait_for 60 agents_answer
}

@test "an agent of another version: doctor names the node and both versions, a capture works or tells why" {
	local version
	version=$("$BUILD/swarmcap" --version | awk '{ print $2 }')
	sed "s/$version/${version%.*}.9/g" "$BUILD/swarmcap-agent" >"$BATS_TEST_TMPDIR/swarmcap-agent"
	chmod 755 "$BATS_TEST_TMPDIR/swarmcap-agent"
	"$top/deploy/mkimage" "$BATS_TEST_TMPDIR/swarmcap-agent" "$BATS_TEST_TMPDIR/image.tar" >/dev/null
	cp "$BATS_TEST_TMPDIR/image.tar" "$SHARE/other.tar"
	lab image --node node3 "$SHARE/other.tar"
	docker_on node3 rm -f "$(agent_on node3)" >/dev/null
	other_answers() { swarmcap doctor 2>&1 | grep node3 | grep -q "${version%.*}.9"; }
	wait_for 60 other_answers
	run -3 swarmcap doctor
	run -0 swarmcap capture web -d 300ms -o "$SHARE/other-version.tar"
	unpack "$SHARE/other-version.tar"
	[ "$(manifest '.nodes[] | select(.name == "node3") | .version')" = "${version%.*}.9" ]
	lab image --node node3 "$BUILD/image.tar"
	docker_on node3 rm -f "$(agent_on node3)" >/dev/null
	wait_for 60 agents_answer
}


# ---- hostile names

@test "a host name with an escape sequence, quotes and slashes reaches no terminal, no path and no raw JSON" {
	local f
	docker_on node2 info -f '{{.Name}}'
	run_on node2 sh -c "printf 'ev\033[31m\"/../il' >/proc/sys/kernel/hostname; kill \$(cat /run/docker.pid)"
	renamed() { docker_on node1 node ls --format '{{.Hostname}}' | grep -q il; }
	wait_for 60 renamed
	wait_for 60 agents_answer
	wait_for 60 all_run
	run -0 swarmcap capture client -d 300ms -v -o "$SHARE/hostile.tar"
	[[ "$output" != *$'\033'* ]]
	run -0 swarmcap ls
	[[ "$output" != *$'\033'* ]]
	run -0 swarmcap doctor
	[[ "$output" != *$'\033'* ]]
	run -0 --separate-stderr swarmcap capture client --dry-run --json
	[[ "$output" != *$'\033'* ]]
	jq -c . <<<"$output" >/dev/null
	unpack "$SHARE/hostile.tar"
	LC_ALL=C run -1 grep -lP '[^ -~\t]' "$unpacked/manifest.json" "$unpacked/hosts" "$unpacked/SHA256SUMS"
	for f in "$unpacked"/*; do [[ "${f##*/}" =~ ^[A-Za-z0-9._-]+$ ]]; done
	[ "$(find "$unpacked" -name 'ev__31m__.._il-client*' | wc -l)" -eq 1 ]
	run_on node2 sh -c 'hostname node2; kill $(cat /run/docker.pid)'
	back() { [ "$(docker_on node1 node ls --format '{{.Hostname}}' | sort | xargs)" = "node1 node2 node3" ]; }
	wait_for 60 back
	wait_for 60 agents_answer
	wait_for 60 all_run
}

# ---- nodes

@test "a node that goes down in the middle: archive with the rest, its tasks missing with why, exit 3" {
	start down swarmcap capture web -o "$SHARE/down.tar"
	armed down
	sleep 3		# what is younger than 2.5 s may still lie in a ring
	tasks_on web node3 >"$BATS_TEST_TMPDIR/lost"
	lab kill node3
	sleep 1
	stop down 3
	unpack "$SHARE/down.tar"
	[ -s "$BATS_TEST_TMPDIR/lost" ]
	while read -r task; do
		[ "$(manifest "[.missing[] | select(.what == \"task $task\" and .node == \"node3\") | .reason] | join(\" \")")" = node-lost ]
	done <"$BATS_TEST_TMPDIR/lost"
	[ "$(manifest '.targets | length')" -eq $((6 - $(wc -l <"$BATS_TEST_TMPDIR/lost"))) ]
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	id_in "$BATS_TEST_TMPDIR/down.err" >"$BATS_FILE_TMPDIR/id"
	grep -q "swarmcap fetch $(<"$BATS_FILE_TMPDIR/id")" "$BATS_TEST_TMPDIR/down.err"
}

@test "a node that is down from the start: its tasks are missing or elsewhere, the rest is captured" {
	wait_for 60 node_is node3 down
	run -3 swarmcap capture client -d 300ms -o "$SHARE/gone.tar"
	unpack "$SHARE/gone.tar"
	[ "$(manifest '.targets | length')" -eq 2 ]
	[ "$(manifest '.missing[] | .node + " " + .reason')" = "node3 node-down" ]
	lab start node3
	wait_for 60 node_is node3 ready
	wait_for 60 agents_answer
}

@test "once it is up again, fetch gets what the node had captured" {
	run -3 swarmcap fetch "$(<"$BATS_FILE_TMPDIR/id")" -o "$SHARE/late.tar"
	unpack "$SHARE/late.tar"
	[ "$(manifest '[.targets[].node] | unique | join(" ")')" = node3 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = agent-lost ]
	[ "$(manifest '[.targets[].packets] | add')" -gt 0 ]
	for f in "$unpacked"/*.pcapng; do capinfos "$f" >/dev/null; done
}

# An engine that leaves is busy with its tasks first, and may say that it could not.
leave_swarm() {
	docker_on "$1" swarm leave --force
	[ "$(docker_on "$1" info -f '{{.Swarm.LocalNodeState}}')" = inactive ]
}

@test "no Swarm: exit 1, and what is missing" {
	wait_for 60 leave_swarm node2
	NODE=node2 run -1 swarmcap capture web -d 1s
	grep -qi 'swarm' <<<"$output"
	[ "$(wc -l <<<"$output")" -eq 1 ]
}
