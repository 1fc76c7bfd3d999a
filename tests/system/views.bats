#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where packets show themselves besides a task's card: the ingress of a service with a VIP, the resolver's loopback,
# namespaces that have several names and such that have nothing.

load helpers
load capture

sbox=/var/run/docker/netns/ingress_sbox

# front, on node2, has a VIP and publishes port 8080. alone is on the overlay; middle lives in its namespace, far in middle's;
# car in that of a task, lonely in none.
setup_file() {
	local task
	capture_lab 3 1
	docker_on node1 service create --detach --quiet --no-resolve-image --endpoint-mode vip --publish 8080:80 --name front \
		--env 'TASK={{.Task.Name}}' --constraint node.hostname==node2 swarmcap-workload serve 80 >/dev/null
	docker_on node1 run -d --name alone --network app swarmcap-workload serve 80 >/dev/null
	docker_on node1 run -d --name middle --network container:alone swarmcap-workload sleep >/dev/null
	docker_on node1 run -d --name far --network container:middle swarmcap-workload sleep >/dev/null
	docker_on node1 run -d --name lonely --network none swarmcap-workload serve 80 >/dev/null
	task=$(placed web | awk '$2 == "node1" { print $3; exit }')
	docker_on node1 run -d --name car --network "container:$task" swarmcap-workload sleep >/dev/null
	wait_for 60 runs front
}
teardown_file() { lab_down; }

uris() { tshark -r "$1" -Y "http.request${2:+ && $2}" -T fields -e http.request.uri 2>/dev/null | sort -u | xargs; }
target_file() { echo "$unpacked/$(manifest ".targets[] | select($1) | .files[0].name")"; }
runs() { [ "$(docker_on node1 service ls --filter "name=$1" --format '{{.Replicas}}')" = 1/1 ]; }
names_of() { manifest ".targets[] | select($1) | .names | sort | join(\", \")"; }

# get ADDRESS FROM TO: requests by hand out of node1's ingress_sbox; a failed one fails
# shellcheck disable=SC2016 # for the shell in there
get() {
	run_on node1 nsenter --net="$sbox" timeout 60 bash -c '
		for i in $(seq "$2" "$3"); do
			exec 3<>"/dev/tcp/$1/8080"
			printf "GET /%s HTTP/1.0\r\n\r\n" "$i" >&3
			cat <&3
			exec 3>&-
		done' - "$@"
}

# Without IPVS (no kernel of a lab has it) a client's packets end at the VIP. What it would do is done by hand: from
# ingress_sbox's own address to the task, at the published port, which the task's namespace turns into its own.
@test "ingress in VIP mode: requests 7001 to 7005 are in ingress_sbox, both overlays', the host's VXLAN and the task's" {
	local all to own bridge n
	[ "$(docker_on node1 service inspect -f '{{.Endpoint.Spec.Mode}} {{(index .Endpoint.Ports 0).PublishMode}}' front)" = 'vip ingress' ]
	to=$(in_task front.1 ip -4 -o addr | awk '$4 ~ /^10\.0\.0\./ && $4 !~ /\/32/ { sub("/.*", "", $4); print $4; exit }')
	own=$(run_on node1 nsenter --net="$sbox" ip -4 -o addr show eth0 | awk '$4 !~ /\/32/ { sub("/.*", "", $4); print $4; exit }')
	bridge=$(run_on node1 nsenter --net="$sbox" ip -4 -o addr show eth1 | awk '{ sub("/.*", "", $4); print $4; exit }')
	[ -n "$to" ] && [ -n "$own" ] && [ -n "$bridge" ]
	all=$(seq -f /%.0f 7001 7005 | xargs)
	start path swarmcap capture --path front -f 'port 8080' -o "$SHARE/front.tar"
	armed path
	get "$to" 7001 7005 >"$BATS_TEST_TMPDIR/answers"
	# and as a host hands on what comes from outside: to its ingress_sbox, where without IPVS nobody takes them
	# shellcheck disable=SC2016 # for the shell there
	run_on node1 timeout 10 bash -c 'for i in 1 2 3; do : <"/dev/tcp/$1/8080"; done' - "$bridge" || true
	stop path
	[ "$(grep -c 'front\.1' "$BATS_TEST_TMPDIR/answers")" -eq 5 ]
	unpack "$SHARE/front.tar"
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(uris "$(target_file '.kind == "ingress" and .node == "node1"')" "ip.src == $own && ip.dst == $to")" = "$all" ]
	for n in node1 node2; do
		[ "$(uris "$(target_file ".kind == \"network\" and .node == \"$n\" and .networks[0].name == \"ingress\"")")" = "$all" ]
	done
	# a host carries it when it runs the service, or when the packets begin there
	[ "$(uris "$(target_file '.kind == "host" and .node == "node2"')" 'vxlan.vni == 4096')" = "$all" ]
	[ "$(uris "$(file_of front.1)")" = "$all" ]
	[ "$(uris "$(target_file '.kind == "ingress" and .node == "node3"')")" = '' ]
	[ "$(tshark -r "$(target_file '.kind == "ingress" and .node == "node1"')" -Y "tcp.flags == 2 && ip.dst == $bridge" 2>/dev/null | wc -l)" -ge 3 ]
}

# The way that the manual tells.
@test "a task's questions for names are on lo, at a port that is not 53" {
	local file port
	start dns swarmcap capture client -i lo -o "$SHARE/dns.tar"
	start port53 swarmcap capture client -i lo -f 'port 53' -o "$SHARE/port53.tar"
	armed dns
	armed port53
	exec_task client@node1 /workload send web 80 7101 7101 >/dev/null
	stop dns
	stop port53
	unpack "$SHARE/dns.tar"
	file=$(file_of client@node1)
	port=$(tshark -r "$file" -Y 'ip.dst == 127.0.0.11 && udp' -T fields -e udp.dstport 2>/dev/null | sort -u)
	[[ $port =~ ^[0-9]+$ ]]
	[ "$port" -ne 53 ]
	# the client of the workload asks for tasks.web by itself now and then
	tshark -r "$file" -d "udp.port==$port,dns" -Y 'dns.flags.response == 0' -T fields -e dns.qry.name 2>/dev/null | grep -qx web
	unpack "$SHARE/port53.tar"
	[ "$(tshark -r "$(file_of client@node1)" -Y 'ip.dst == 127.0.0.11' 2>/dev/null | wc -l)" -eq 0 ]
}

# middle is not selected, so only the node knows that far lives in alone's namespace.
@test "one namespace by two names that the coordinator takes for two: one file, both names" {
	start far swarmcap capture container:far,alone -o "$SHARE/far.tar"
	armed far
	exec_task client@node3 /workload send "$(docker_on node1 inspect -f '{{.NetworkSettings.Networks.app.IPAddress}}' alone)" 80 7201 7205 >/dev/null
	stop far
	unpack "$SHARE/far.tar"
	[ "$(manifest '[(.targets | length), (.missing | length)] | join(" ")')" = '1 0' ]
	[ "$(find "$unpacked" -name '*.pcapng' | wc -l)" -eq 1 ]
	[ "$(names_of true)" = 'container alone, container far' ]
	[ "$(uris "$(target_file true)")" = "$(seq -f /%.0f 7201 7205 | xargs)" ]
	# the namespace is that of alone, whose end counts
	[ "$(manifest '.targets[0].container_id')" = "$(docker_on node1 inspect -f '{{.Id}}' alone)" ]
	# by itself, far is what it is
	run -0 swarmcap capture container:far -d 200ms -o "$SHARE/alone.tar"
	unpack "$SHARE/alone.tar"
	[ "$(names_of true)" = 'container far' ]
}

@test "a side-car of a task is another name of the task" {
	local task
	task=$(placed web | awk '$2 == "node1" { sub(/\.[^.]*$/, "", $1); print $1; exit }')
	run -0 swarmcap capture "task:$task" container:car -d 200ms -o "$SHARE/car.tar"
	unpack "$SHARE/car.tar"
	[ "$(names_of true)" = "container car, task $task" ]
}

# Swarm knows no task without any: a service without --network has docker's bridge.
@test "what has no network has lo, and that is captured; a service without overlays has its bridge" {
	local file
	run -0 swarmcap capture container:lonely -d 200ms -o "$SHARE/lonely.tar"
	unpack "$SHARE/lonely.tar"
	[ "$(manifest '[.targets[0].interfaces[].name] | join(" ")')" = lo ]
	run ! docker_on node1 service create --detach --quiet --no-resolve-image --network none swarmcap-workload serve 80
	docker_on node1 service create --detach --quiet --no-resolve-image --name plain swarmcap-workload serve 80 >/dev/null
	wait_for 60 runs plain
	start plain swarmcap capture --path plain -o "$SHARE/plain.tar"
	armed plain
	in_task plain.1 bash -c 'for i in {1..4}; do echo "number $i" >/dev/udp/172.17.0.1/4444; done'
	stop plain
	unpack "$SHARE/plain.tar"
	[ "$(manifest '[.targets[].kind] | join(" ")')" = task ]
	file=$(file_of plain.1)
	[ "$(tshark -r "$file" -Y 'udp.dstport == 4444 && !icmp' 2>/dev/null | wc -l)" -eq 4 ]
}
