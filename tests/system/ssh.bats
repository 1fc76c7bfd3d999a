#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every route captures the same; a node without an agent is reached by ssh; a laptop reaches all through the manager.

load helpers
load capture
load ssh

# node3 is paused before deploy: its tasks run, the agent is not scheduled there, and it has not even the image.
setup_file() {
	ssh_lab 3
	lab image --node node1 --node node2 "$BUILD/image.tar"
	docker_on node1 node update --availability pause node3 >/dev/null
	deployed
	image_known node1 node2
}
teardown() { after_failure; calm; }
teardown_file() { lab_down; }

# The names of all keys of the unpacked manifest, wherever they stand
keys() { jq -c '[paths | map(select(type == "string")) | join(".")] | unique | .[]' "$unpacked/manifest.json"; }
route_of() { manifest ".nodes[] | select(.name == \"$1\") | .route"; }

whole() {
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '.targets[] | select(.packets == 0 or .files[0].packets != .packets) | .task')" = "" ]
	[ "$(manifest '.targets[] | select(.received < .packets or .dropped_kernel != 0 or .dropped_agent != 0) | .task')" = "" ]
	[ -z "$(find "$unpacked" -type f -not -perm 600)" ]
}

# readable FILE...: every tool reads it, and finds as many packets as the manifest tells
readable() {
	local f
	for f; do
		[ "$(capinfos -TrcM "$f" 2>/dev/null | awk '{ print $NF }')" = \
			"$(manifest ".targets[].files[] | select(.name == \"${f##*/}\") | .packets")" ]
		run -0 --separate-stderr tshark -r "$f" -Y _ws.malformed
		[ -z "$output" ]
		[ -z "$(grep -iE 'cut short|damaged|corrupt|error' <<<"$stderr")" ]
		run -0 tcpdump -r "$f" -c 5
	done
}

@test "a mixed cluster: agents where they are, ssh where the agent is not scheduled; one complete archive" {
	run -0 --separate-stderr swarmcap capture web client --dry-run
	grep -E '^ *node3\b|node3' <<<"$output" | grep -q ssh-push
	grep node2 <<<"$output" | grep -q agent
	run -0 --separate-stderr swarmcap ls web
	[ "$(awk '$1 == "web" { print $3, $NF }' <<<"$output" | sort -u | xargs)" = "node1 agent node2 agent node3 ssh-push" ]
	nothing_left

	start mixed swarmcap capture web client -o "$SHARE/mixed.tar"
	armed mixed
	exec_task client@node3 /workload send web 80 101 160 >/dev/null
	stop mixed
	unpack "$SHARE/mixed.tar"
	whole
	[ "$(manifest '.targets | length')" -eq 6 ]
	[ "$(manifest '.nodes | map(.name + " " + .route) | sort | join(", ")')" = 'node1 agent, node2 agent, node3 ssh-push' ]
	[ "$(numbered "$(file_of client@node3)" | xargs)" = "$(seq 101 160 | xargs)" ]
	nothing_left
}

# A view's requests that `workload send` made on node3, once each; nodes that its packets are of. Each is in the view
# as sent and as received, a clock's error apart: tshark must not take the one that stands second for a retransmission.
live_numbers() { tshark -r "$1" -o tcp.analyze_sequence_numbers:FALSE -Y http.request -T fields -e frame.interface_description -e http.request.uri 2>/dev/null | sed -nE 's|^client\..*@node3 .*\t/([0-9]+)$|\1|p'; }
live_nodes() { tshark -r "$1" -T fields -e frame.interface_description 2>/dev/null | grep -oE '@node[0-9]' | sort -u | xargs; }

@test "a live view of a mixed cluster, from a laptop: agents through the manager, one that is sent where there is none; nothing is left" {
	start view "$top/tests/lab/lab" laptop "$BUILD/swarmcap" -H ssh://admin@node1 live web client -f 'tcp port 80' --delay 1s
	armed view
	exec_task client@node3 /workload send web 80 101 160 >/dev/null
	seen() { [ "$(live_numbers "$BATS_TEST_TMPDIR/view.out" | xargs)" = "$(seq 101 160 | xargs)" ]; }
	wait_for 60 seen
	[ "$(live_nodes "$BATS_TEST_TMPDIR/view.out")" = '@node1 @node2 @node3' ]
	stop view
	capinfos "$BATS_TEST_TMPDIR/view.out" | grep -q 'Number of stat entries = 1'
	nothing_left
}

@test "an ssh-helper loads the agent's image where it is not, and takes it away again" {
	[ -z "$(docker_on node3 images -q swarmcap-helper)" ]
	start helper swarmcap capture web client --route ssh-helper -o "$SHARE/helper.tar"
	armed helper
	[ -n "$(docker_on node3 images -q swarmcap-helper)" ]
	# what a helper may: nothing but packets
	docker_on node3 ps -q --no-trunc | xargs "$top/tests/lab/lab" docker node3 inspect >"$BATS_TEST_TMPDIR/inspect"
	jq -e 'map(select(.HostConfig.NetworkMode | startswith("container:"))) | length == 2 and all(.HostConfig |
		.ReadonlyRootfs and .CapDrop == ["ALL"] and ((.CapAdd | map(ltrimstr("CAP_"))) == ["NET_RAW"])
		and (.Privileged | not) and ((.Binds // []) == []))' "$BATS_TEST_TMPDIR/inspect"
	exec_task client@node3 /workload send web 80 201 230 >/dev/null
	stop helper
	unpack "$SHARE/helper.tar"
	whole
	[ "$(manifest '[.nodes[].route] | unique | join(" ")')" = ssh-helper ]
	[ "$(numbered "$(file_of client@node3)" | xargs)" = "$(seq 201 230 | xargs)" ]
	nothing_left
}

@test "each route captures the same numbered requests, with the same names, keys and exit status" {
	local as key f
	tcpdump_image "$SHARE/tcpdump.tar"
	lab import "$SHARE/tcpdump.tar" tcpdump:here
	lab image --node node3 "$BUILD/image.tar"
	docker_on node1 node update --availability active node3 >/dev/null
	wait_for 60 swarmcap -q doctor
	image_known node1 node2 node3

	start agent swarmcap capture web client -o "$SHARE/agent.tar"
	start push swarmcap capture web client --route ssh-push -o "$SHARE/push.tar"
	start nsenter swarmcap capture web client --route ssh-nsenter -o "$SHARE/nsenter.tar"
	start helper swarmcap capture web client --route ssh-helper -o "$SHARE/helper2.tar"
	start image swarmcap capture web client --route ssh-helper --helper-image tcpdump:here -o "$SHARE/image.tar"
	start here swarmcap capture web client --route local -o "$SHARE/here.tar"
	for as in agent push nsenter helper image here; do armed $as 90; done
	exec_task client@node2 /workload send web 80 1001 1180 >"$BATS_TEST_TMPDIR/answers"
	for as in agent push nsenter helper image; do stop $as; done
	# no other node is this one
	stop here 3
	nothing_left

	[ "$(awk '{ print $3 }' "$BATS_TEST_TMPDIR/answers" | xargs)" = "$(seq 1001 1180 | xargs)" ]
	for as in agent push nsenter helper2 image here; do
		unpack "$SHARE/$as.tar"
		[ $as = here ] || whole
		[ $as = here ] || [ "$(numbered "$(file_of client@node2)" | xargs)" = "$(seq 1001 1180 | xargs)" ]
		for key in web.1 web.2 web.3 client@node1 client@node2 client@node3; do
			f=$(file_of $key)
			[ -n "$f" ] || continue
			[[ ${f##*/} =~ ^node[123]-(web\.[123]|client\.[a-z0-9]{6})\.[a-z0-9]{6}-[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}\.pcapng$ ]]
			readable "$f"
			numbered "$f" >"$BATS_TEST_TMPDIR/$as.$key"
			echo "$as $key"
			diff "$BATS_TEST_TMPDIR/agent.$key" "$BATS_TEST_TMPDIR/$as.$key"
		done
		keys >"$BATS_TEST_TMPDIR/keys.$as"
		diff <(grep -v '"missing' "$BATS_TEST_TMPDIR/keys.agent") <(grep -v '"missing' "$BATS_TEST_TMPDIR/keys.$as")
		manifest '.nodes[] | .name + " " + .route' >"$BATS_TEST_TMPDIR/routes.$as"
		[ $as = agent ] || [ $as = here ] || run -1 grep ' agent$' "$BATS_TEST_TMPDIR/routes.$as"
	done
	[ "$(cat "$BATS_TEST_TMPDIR"/agent.web.* | sort -n | xargs)" = "$(seq 1001 1180 | xargs)" ]
	[ "$(sort -u "$BATS_TEST_TMPDIR"/routes.image | awk '{ print $2 }' | uniq)" = ssh-helper ]
	[ -s "$BATS_TEST_TMPDIR/here.client@node1" ] || [ "$(manifest '[.targets[].node] | unique | join(" ")')" = node1 ]
}

@test "what a route cannot do is a note; what it can, it does: names of interfaces, the hosts' names, one loopback" {
	unpack "$SHARE/nsenter.tar"
	[ "$(manifest '.targets[] | select(.notes == []) | .task')" = "" ]
	[ "$(manifest '[.targets[].interfaces[].name] | unique | contains(["eth0", "lo"])')" = true ]
	tshark -r "$(file_of web.1)" -N n -q -z hosts 2>/dev/null | grep -q 'web\.2\.'
	tshark -r "$(file_of web.1)" -T fields -e frame.interface_name 2>/dev/null | grep -q .
}

@test "limits and filters hold on the routes without an agent, exactly" {
	local route f
	for route in ssh-nsenter ssh-helper; do
		run -0 swarmcap capture web --route $route --max-packets 7 -f 'tcp port 80' -d 20s -o "$SHARE/packets.tar" --force
		unpack "$SHARE/packets.tar"
		[ "$(manifest '[.targets[].end] | unique | join(" ")')" = packets ]
		for f in "$unpacked"/*.pcapng; do
			[ "$(tcpdump -nn -r "$f" 'tcp port 80' 2>/dev/null | wc -l)" -eq 7 ]
		done
		run -0 swarmcap capture web --route $route --max-bytes 8k -d 20s -o "$SHARE/bytes.tar" --force
		unpack "$SHARE/bytes.tar"
		[ "$(manifest '[.targets[].end] | unique | join(" ")')" = bytes ]
		[ -z "$(find "$unpacked" -name '*.pcapng' -size +8192c)" ]
	done
	nothing_left
}

@test "--format pcap over every ssh route gives classic files" {
	local route
	for route in ssh-push ssh-nsenter ssh-helper; do
		run -0 swarmcap capture web --route $route --format pcap -d 1s -o "$SHARE/classic.tar" --force
		unpack "$SHARE/classic.tar"
		whole
		[ "$(capinfos -TrtM "$unpacked"/*.pcap | awk '{ print $NF }' | sort -u)" = nsecpcap ]
	done
	nothing_left
}

@test "admin is no root: sudo where it is needed, on each ssh route" {
	local route
	as_user admin
	for route in ssh-push ssh-nsenter ssh-helper; do
		run -0 swarmcap capture web --route $route -d 1s -o "$SHARE/admin.tar" --force
		unpack "$SHARE/admin.tar"
		whole
		[ "$(manifest '[.nodes[].route] | unique | join(" ")')" = $route ]
	done
	as_user
	nothing_left
}

@test "--ssh-host: a node's own host, and a pattern for the others" {
	run -0 swarmcap capture web --route ssh-nsenter --ssh-host '%=%' -d 300ms -o "$SHARE/host.tar" --force
	run -1 swarmcap capture web --route ssh-nsenter --ssh-host '%=%.nowhere.example' -d 300ms -o "$SHARE/nowhere.tar"
	[[ "$output" == *node2.nowhere.example* ]]
	run -3 swarmcap capture web --route ssh-nsenter --ssh-host node2=nosuch.example --ssh-host '%=%' -d 300ms -o "$SHARE/one.tar"
	[[ "$output" == *nosuch.example* ]]
	unpack "$SHARE/one.tar"
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = node2 ]
	run -0 swarmcap capture web --route ssh-nsenter --ssh-host '%=admin@%:22' -d 300ms -o "$SHARE/host.tar" --force
	run -2 swarmcap capture web --ssh-host node2 -d 300ms
	nothing_left
}

# ---- the laptop has a path to the manager alone

@test "from a laptop, through the manager: agents by direct-tcpip" {
	start jump "$top/tests/lab/lab" laptop "$BUILD/swarmcap" -H ssh://admin@node1 capture web client -o "$SHARE/jump.tar"
	armed jump
	exec_task client@node2 /workload send web 80 301 360 >/dev/null
	stop jump
	unpack "$SHARE/jump.tar"
	whole
	[ "$(manifest '[.nodes[].route] | join(" ")')" = 'agent agent agent' ]
	[ "$(numbered "$(file_of client@node2)" | xargs)" = "$(seq 301 360 | xargs)" ]
	nothing_left
}

@test "from a laptop, through the manager: every ssh route, and a docker context" {
	local route
	lab laptop docker context create far --docker host=ssh://admin@node1 >/dev/null
	for route in ssh-push ssh-nsenter ssh-helper; do
		start jump "$top/tests/lab/lab" laptop "$BUILD/swarmcap" -c far capture web client --route $route -o "$SHARE/jump-$route.tar"
		armed jump
		exec_task client@node2 /workload send web 80 401 430 >/dev/null
		stop jump
		unpack "$SHARE/jump-$route.tar"
		whole
		[ "$(manifest '[.nodes[].route] | unique | join(" ")')" = $route ]
		[ "$(numbered "$(file_of client@node2)" | xargs)" = "$(seq 401 430 | xargs)" ]
	done
	nothing_left
}

@test "from a laptop: the second host's key is checked as strictly as the first one's" {
	local known=$LAB_DIR/laptop/.ssh/known_hosts
	lab laptop true
	cp "$known" "$BATS_TEST_TMPDIR/known"
	sed -i '/^node2,/d' "$known"
	run -3 from_laptop capture web --route ssh-nsenter -d 300ms -o "$SHARE/second.tar"
	unpack "$SHARE/second.tar"
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = node2 ]
	missing_words node2 | grep -q 'not known'
	run -1 grep "$(lab address node2)" "$known"
	# another machine's key is a changed one
	sed -n '/^node3,/s/^node3,[^ ]*/node2,'"$(lab address node2)/p" "$BATS_TEST_TMPDIR/known" >>"$known"
	run -3 from_laptop capture web --route ssh-nsenter --ssh-accept-new -d 300ms -o "$SHARE/third.tar"
	unpack "$SHARE/third.tar"
	[ "$(manifest '[.missing[].node] | unique | join(" ")')" = node2 ]
	cp "$BATS_TEST_TMPDIR/known" "$known"
	sed -i '/^node1,/d' "$known"
	run -1 from_laptop capture web -d 300ms -o "$SHARE/fourth.tar"
	[[ "$output" == *"not known"*--ssh-accept-new* ]]
	cp "$BATS_TEST_TMPDIR/known" "$known"
	nothing_left
}

# ---- hired agents

@test "a hired agent outlives a killed coordinator, and fetch gets what it has" {
	local id
	start killed swarmcap capture web client --route ssh-push -d 30s -o "$SHARE/killed.tar"
	armed killed
	exec_task client@node2 /workload send web 80 501 520 >/dev/null
	kill -KILL "$killed"
	wait "$killed" || true
	id=$(run_on node2 find /var/tmp -maxdepth 1 -name 'swarmcap-*' | grep -oE '[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}')
	# its lease ended it
	run -3 swarmcap fetch "$id" -o "$SHARE/fetched.tar"
	unpack "$SHARE/fetched.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = lease-expired ]
	[ "$(manifest .capture.id)" = "$id" ]
	[ "$(manifest '.targets | length')" -eq 6 ]
	[ "$(numbered "$(file_of client@node2)" | xargs)" = "$(seq 501 520 | xargs)" ]
	nothing_left
}

@test "a worker that left: a plain container on an engine without Swarm" {
	docker_on node3 swarm leave --force >/dev/null
	docker_on node3 run -d --name plain swarmcap-workload serve 80 >/dev/null
	docker_on node3 run -d --name plainer swarmcap-workload sleep >/dev/null
	NODE=node3 start plain swarmcap capture container:plain -o "$SHARE/plain.tar"
	armed plain
	docker_on node3 exec plainer /workload send "$(docker_on node3 inspect -f '{{.NetworkSettings.IPAddress}}' plain)" 80 601 620 >/dev/null
	stop plain
	unpack "$SHARE/plain.tar"
	whole
	[ "$(manifest '.nodes | map(.name + " " + .route) | join(" ")')" = 'node3 local' ]
	[ "$(manifest '[.targets[].kind] | join(" ")')" = container ]
	[ "$(numbered "$unpacked"/*.pcapng | xargs)" = "$(seq 601 620 | xargs)" ]
	docker_on node3 rm -f plain plainer >/dev/null
	nothing_left node3
}

@test "a Swarm of one node with nothing deployed: local, and nothing is to be prepared" {
	docker_on node3 swarm init --advertise-addr "$(lab address node3)" >/dev/null
	docker_on node3 service create -q --detach --no-resolve-image --name alone --replicas 2 swarmcap-workload serve 80 >/dev/null
	# as the manager knows it: that is later than the engine does
	runs() { [ "$(docker_on node3 service ps --format '{{.CurrentState}}' alone | grep -c ^Running)" -eq 2 ]; }
	wait_for 60 runs
	NODE=node3 run -0 --separate-stderr swarmcap ls alone
	[ "$(awk '$1 == "alone" { print $NF }' <<<"$output" | xargs)" = 'local local' ]
	NODE=node3 start one swarmcap capture alone -o "$SHARE/one-node.tar"
	armed one
	docker_on node3 exec "$(docker_on node3 ps -q --filter name=alone.1)" /workload send 127.0.0.1 80 701 720 >/dev/null
	stop one
	unpack "$SHARE/one-node.tar"
	[ "$(manifest '.nodes | map(.name + " " + .route) | join(" ")')" = 'node3 local' ]
	[ "$(manifest '.targets | length')" -eq 2 ]
	[ "$(numbered "$unpacked/$(manifest '.targets[] | select(.task == "alone.1") | .files[0].name')" | xargs)" = "$(seq 701 720 | xargs)" ]
	nothing_left node3
}
