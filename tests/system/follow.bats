#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tasks that start during a capture join it by themselves, each with its own file, from its first packet on.

load helpers
load capture

# A dead node is noticed within seconds
setup_file() {
	capture_lab 2 1
	docker_on node1 swarm update --dispatcher-heartbeat 1s >/dev/null
	docker_on node1 service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr --name server \
		--constraint node.hostname==node1 swarmcap-workload serve 80 >/dev/null
	wait_for 60 runs server 1
}
teardown_file() { lab_down; }

# A service whose tasks send COUNT numbered requests to `server` as soon as they run, then sleep: NAME REPLICAS COUNT [ARG...]
sender() {
	docker_on node1 service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr --restart-delay 100ms \
		--stop-grace-period 1s --name "$1" --replicas "$2" "${@:4}" swarmcap-workload client server 80 20 "$3" >/dev/null
}
scale() { docker_on node1 service scale -d "$1=$2" >/dev/null; }
runs() {
	[ "$(placed "$1" | awk 'NF == 3' | wc -l)" -eq "$2" ] &&
		# as the manager knows it: that is later than the engine does
		[ "$(docker_on node1 service ps "$1" --filter desired-state=running --format '{{.CurrentState}}' | grep -c ^Running)" -eq "$2" ]
}
# joined NAME N: so many tasks are told to have joined the capture that was started as NAME
joined() { [ "$(grep -c ' joined$' "$BATS_TEST_TMPDIR/$1.err")" -ge "$2" ]; }
# all_ended SERVICE: in the capture that runs nothing of it is being captured any more
all_ended() {
	local id told
	id=$(swarmcap status --json | jq -r 'select(.state == "running") | .id' | tail -n 1)
	told=$(swarmcap status "$id" --json | grep -F "\"target\":\"$1.")
	[ -n "$told" ] && ! grep -qF '"state":"running"' <<<"$told"
}
# The numbers of the requests in a capture file
requests() { tshark -r "$unpacked/$1" -Y http.request -T fields -e http.request.uri 2>/dev/null | grep -oE '[0-9]+$' | sort -nu; }

# each_from_1 JQ N: each file of these targets has all requests from 1 to N, and the SYN of the first
each_from_1() {
	local name
	manifest "$1 | .files[].name" >"$BATS_TEST_TMPDIR/names"
	[ -s "$BATS_TEST_TMPDIR/names" ]
	while read -r name; do
		diff <(requests "$name") <(seq "$2") || { echo "$name" >&2; return 1; }
		[ "$(tshark -r "$unpacked/$name" -Y 'tcp.flags == 2 && tcp.dstport == 80' 2>/dev/null | wc -l)" -ge "$2" ]
	done <"$BATS_TEST_TMPDIR/names"
}
# Each running task's own log has an answer to each of N requests
all_sent() {
	local node container
	while read -r _ node container; do
		[ "$(docker_on "$node" exec "$container" grep -c . /log </dev/null)" -ge "$2" ] || return 1
	done < <(placed "$1")
}

@test "scaled up: tasks join on nodes that had none, with their first SYN" {
	sender grow 1 15 --constraint node.hostname==node1
	wait_for 60 runs grow 1
	start cap swarmcap capture grow -f 'tcp port 80' -o "$SHARE/grow.tar"
	start near swarmcap capture grow --node node1 -o "$SHARE/near.tar"
	armed cap 60
	armed near 60
	docker_on node1 service update --detach --constraint-rm node.hostname==node1 grow >/dev/null
	scale grow 5
	wait_for 60 runs grow 5
	wait_for 60 all_sent grow 15
	wait_for 60 joined cap 4
	stop cap 0
	stop near 0
	# slots that are left out run already, and stay out
	start left swarmcap capture grow '!task:grow.3' -o "$SHARE/left.tar"
	armed left 60
	sleep 1
	stop left 0
	unpack "$SHARE/left.tar"
	[ "$(manifest '[.targets[].task] | sort | join(" ")')" = 'grow.1 grow.2 grow.4 grow.5' ]
	unpack "$SHARE/near.tar"
	[ "$(manifest '[.targets[].node] | unique | join(" ")')" = node1 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	unpack "$SHARE/grow.tar"
	[ "$(manifest '.capture.follow')" = true ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[] | select(.joined)] | length')" -ge 4 ]
	[ "$(manifest '[.targets[] | select(.joined) | .node] | unique | join(" ")')" = 'node1 node2 node3' ]
	[ "$(manifest '[.targets[].confirmed] | all')" = true ]
	[ "$(manifest '.targets[] | select(.joined) | .interfaces | map(.name) | contains(["lo", "eth0"])' | sort -u)" = true ]
	each_from_1 '.targets[] | select(.joined)' 15
	# each file is named after its own beginning, each address after its task
	manifest '.targets[] | select(.joined) | (.files[0].name | .[-26:-7]) + " " + .started' |
		while read -r stamp started; do [ "$(tr _ T <<<"$stamp" | sed 's/T\(..\)-\(..\)-\(..\)$/T\1:\2:\3/')" = "${started%.*}" ]; done
	[ "$(grep -c 'grow\.' "$unpacked/hosts")" -ge 5 ]
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	docker_on node1 service rm grow >/dev/null
}

@test "a crash and a rolling update: the tasks that replace them join; exit 0" {
	local node pid
	sender roll 2 10
	wait_for 60 runs roll 2
	start cap swarmcap capture roll -f 'tcp port 80' -o "$SHARE/roll.tar"
	armed cap 60
	pid_of roll.1
	run_on "$node" kill -9 "$pid"
	wait_for 60 joined cap 1
	docker_on node1 service update --detach --force --update-parallelism 1 roll >/dev/null
	wait_for 60 joined cap 3
	wait_for 60 runs roll 2
	wait_for 60 all_sent roll 10
	stop cap 0
	unpack "$SHARE/roll.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[] | select(.joined)] | length')" -ge 3 ]
	[ "$(manifest '[.targets[] | select(.joined | not) | .end] | unique | join(" ")')" = task-ended ]
	[ "$(manifest '[.targets[].confirmed] | all')" = true ]
	each_from_1 '.targets[] | select(.joined and .end == "stopped")' 10
	docker_on node1 service rm roll >/dev/null
}

@test "forged labels are marked, and make nothing partial; --no-follow takes what was there" {
	local service
	sender quiet 1 1
	wait_for 60 runs quiet 1
	service=$(docker_on node1 service inspect -f '{{.ID}}' quiet)
	start cap swarmcap capture quiet -o "$SHARE/forged.tar"
	start alone swarmcap capture quiet --no-follow -o "$SHARE/alone.tar"
	armed cap 60
	armed alone 60
	docker_on node2 run -d --name forger --network app --label com.docker.swarm.service.id="$service" \
		--label com.docker.swarm.service.name=quiet --label com.docker.swarm.task.id=forged1 \
		--label com.docker.swarm.task.name=quiet.9.forged1 swarmcap-workload client server 80 20 3 >/dev/null
	scale quiet 2
	wait_for 60 joined cap 2
	wait_for 60 runs quiet 2
	stop cap 0
	stop alone 0
	docker_on node2 rm -f forger >/dev/null
	unpack "$SHARE/forged.tar"
	[ "$(manifest '.targets[] | select(.task_id == "forged1") | "\(.joined) \(.confirmed) \(.node)"')" = 'true false node2' ]
	[ "$(manifest '[.targets[] | select(.task_id != "forged1") | .confirmed] | all')" = true ]
	[ "$(manifest '[.targets[] | select(.joined and .confirmed)] | length')" -eq 1 ]
	run ! grep -q quiet.9 "$unpacked/hosts"
	unpack "$SHARE/alone.tar"
	[ "$(manifest '.capture.follow')" = false ]
	[ "$(manifest '.targets | length')" -eq 1 ]
	docker_on node1 service rm quiet >/dev/null
}

descriptors() {
	local n container sum=0
	for n in node1 node2 node3; do
		container=$(docker_on "$n" ps -q --filter label=com.docker.swarm.service.name=swarmcap-agent)
		sum=$((sum + $(run_on "$n" ls "/proc/$(docker_on "$n" inspect -f '{{.State.Pid}}' "$container")/fd" | wc -l)))
	done
	echo "$sum"
}
no_more_than() { [ "$(descriptors)" -le "$1" ]; }
# No container of the service runs, nor is one about to
no_container() {
	! docker_on node1 service ps "$1" --format '{{.CurrentState}}' | grep -qvE '^(Complete|Shutdown|Failed|Rejected|Remove|Orphaned)' &&
		[ -z "$(for n in node1 node2 node3; do docker_on "$n" ps -aq --filter status=created --filter status=running --filter "label=com.docker.swarm.service.name=$1"; done)" ]
}

# Every SYN to port 80 in these files, by address and port
syns() {
	for f in "$@"; do
		tshark -r "$f" -Y 'tcp.flags == 2 && tcp.dstport == 80' -T fields -e ip.src -e tcp.srcport 2>/dev/null
	done | sort -u
}

@test "a task that crashes all the time: each SYN that the server saw is there, and nothing is left open" {
	local before node pid
	before=$(descriptors)
	pid_of server.1
	# its first task shall start when all listens
	docker_on node1 service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr --restart-delay 100ms \
		--name loop --replicas 0 swarmcap-workload send server 80 1 1 >/dev/null
	start judge run_on "$node" nsenter -t "$pid" -n tcpdump -U --immediate-mode -B 65536 -nn -i any -w "$SHARE/judge.pcap" tcp port 80
	wait_for 60 grep -q listening "$BATS_TEST_TMPDIR/judge.err"
	start cap swarmcap capture server loop -o "$SHARE/loop.tar"
	armed cap 60
	scale loop 2
	wait_for 90 joined cap 12
	scale loop 0
	wait_for 60 no_container loop
	wait_for 60 all_ended loop
	stop cap 0
	stop judge 0
	unpack "$SHARE/loop.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[] | select(.service == "loop") | .end] | all(. == "task-ended" or . == "stopped")')" = true ]
	[ "$(manifest '[.targets[].confirmed] | all')" = true ]
	syns "$SHARE/judge.pcap" >"$BATS_TEST_TMPDIR/seen"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/seen")" -ge 10 ]
	manifest '.targets[] | select(.service == "loop") | .files[].name' | sed "s|^|$unpacked/|" >"$BATS_TEST_TMPDIR/files"
	mapfile -t files <"$BATS_TEST_TMPDIR/files"
	diff "$BATS_TEST_TMPDIR/seen" <(syns "${files[@]}")
	# connections that are kept alive for a while may come and go
	wait_for 90 no_more_than $((before + 3))
	docker_on node1 service rm loop >/dev/null
}

@test "a node that joins the Swarm meanwhile, and one that dies: tasks there and elsewhere join" {
	local new
	sender fall 2 10 --constraint node.hostname!=node1 --replicas-max-per-node 1
	wait_for 60 runs fall 2
	start cap swarmcap capture fall client -f 'tcp port 80' -o "$SHARE/fall.tar"
	armed cap 60
	new=$(lab add)
	lab image --node "$new" "$BUILD/workload.tar"
	lab image --node "$new" "$BUILD/image.tar"
	# the global service's task
	wait_for 120 grep -q "client.* on $new joined" "$BATS_TEST_TMPDIR/cap.err"
	lab kill node3
	wait_for 120 grep -q "fall.* on $new joined" "$BATS_TEST_TMPDIR/cap.err"
	wait_for 60 all_sent fall 10
	stop cap 3
	unpack "$SHARE/fall.tar"
	[ "$(manifest ".nodes[] | select(.name == \"$new\") | .route")" = agent ]
	[ "$(manifest ".targets[] | select(.node == \"$new\" and .service == \"client\") | .joined")" = true ]
	[ "$(manifest '.missing[] | select(.reason == "node-lost") | .node' | sort -u)" = node3 ]
	each_from_1 ".targets[] | select(.joined and .service == \"fall\")" 10
	[ "$(manifest '[.targets[].confirmed] | all')" = true ]
}
