#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent comes to every node, is renewed, refuses strangers, and goes without a trace.
# The tests build upon each other: from a Swarm without an agent to one without.

load helpers

setup_file() {
	lab_up 3
	lab image "$BUILD/image.tar"
	mkdir "$SHARE/tls"
	# what openssl needs to make certificates that swarmcap never would
	cat >"$SHARE/tls/ca.cnf" <<-'END'
		[ca]
		default_ca = c
		[c]
		database = index
		new_certs_dir = .
		rand_serial = yes
		default_md = sha256
		policy = p
		unique_subject = no
		[p]
		commonName = supplied
		[client]
		extendedKeyUsage = clientAuth
		[agent]
		extendedKeyUsage = serverAuth
		subjectAltName = DNS:swarmcap-agent
		[authority]
		basicConstraints = critical, CA:TRUE, pathlen:0
		keyUsage = critical, keyCertSign
	END
	: >"$SHARE/tls/index"
}
teardown_file() { lab_down; }

# The deployer's directory on node1
credentials() { run_on node1 sh -c 'echo /root/.config/swarmcap/*'; }
agents() { for n in node1 node2 node3; do docker_on $n ps -q --filter label=com.docker.swarm.service.name=swarmcap-agent; done; }
service_json() { docker_on node1 service inspect swarmcap-agent | jq -r "$1"; }
ca_label() { service_json '.[0].Spec.Labels["swarmcap.ca"]'; }

# A key and a certificate of the CA in DIR: make_certificate DIR CA NAME CN EXTENSIONS START END
make_certificate() {
	(cd "$1" && openssl ecparam -name prime256v1 -genkey -noout -out "$3-key.pem" &&
		openssl req -new -key "$3-key.pem" -subj "/CN=$4" -out "$3.csr" &&
		openssl ca -batch -notext -config "$SHARE/tls/ca.cnf" -cert "$2.pem" -keyfile "$2-key.pem" -extensions "$5" \
			-startdate "$6" -enddate "$7" -in "$3.csr" -out "$3.pem" && chmod 600 ./*-key.pem) >/dev/null 2>&1
}

# A whole directory of credentials by openssl, ending in DAYS: make_credentials DIR DAYS
make_credentials() {
	local from to
	from=$(date -u -d '1 hour ago' +%Y%m%d%H%M%SZ)
	to=$(date -u -d "$2 days" +%Y%m%d%H%M%SZ)
	mkdir -m 700 "$1"
	cp "$SHARE/tls/index" "$1/"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1/ca-key.pem" -out "$1/ca.pem" \
		-days "$2" -subj /CN=by-hand -config <(printf '[req]\ndistinguished_name=d\n[d]\n') \
		-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' 2>/dev/null
	make_certificate "$1" ca client swarmcap-client client "$from" "$to"
	make_certificate "$1" ca agent swarmcap-agent agent "$from" "$to"
	chmod 600 "$1"/*.pem
}

# The status that node1's agent answers from node2: ask [CURL-OPTION...]; 000: no answer at all
ask() {
	run_on node2 curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert "$SHARE/tls/ca.pem" \
		--resolve "swarmcap-agent:9473:$(lab address node1)" "$@" https://swarmcap-agent:9473/v1/info
}

# By status, or by TLS: curl says 35 (handshake), 52 or 56 (closed on us); a time-out is no refusal
refused() {
	local code status=0
	code=$(ask "$@") || status=$?
	[ "$code" = 403 ] || [[ $code = 000 && $status =~ ^(35|52|56)$ ]] ||
		{ echo "answered with $code (curl: $status): $*"; return 1; }
}

@test "the image: small, the same bytes each time, tagged twice" {
	"$top/deploy/mkimage" "$BUILD/swarmcap-agent" "$BATS_TEST_TMPDIR/again.tar"
	cmp "$BATS_TEST_TMPDIR/again.tar" "$BUILD/image.tar"
	[ "$(stat -c %s "$BUILD/image.tar")" -lt 30000000 ] || [ -n "${SAN:-}" ]
	run -0 docker_on node2 image ls --format '{{.Repository}}:{{.Tag}}'
	[ "$(sort <<<"$output")" = "$(printf 'swarmcap-agent:%s\n' 0.1.0 latest)" ]
}

@test "without an agent, the commands say so" {
	# node1 is where we are; the others take no ssh
	run -3 swarmcap doctor
	[[ $output == *'no agent is deployed'* ]]
	[[ $output == *'node2: no route to it works'* ]]
	run -2 swarmcap deploy
	[[ $output == *'--image'* ]]
	run -1 swarmcap deploy --rotate --image swarmcap-agent:latest
	[[ $output == *'nothing to rotate'* ]]
	run -0 swarmcap undeploy
	NODE=node2 run -1 swarmcap deploy --image swarmcap-agent:latest
	[[ $output == *manager* ]]
	run ! run_on node1 test -e /root/.config/swarmcap
}

@test "an image that no node has: no agent, and why" {
	run -1 swarmcap deploy --image nosuch:1
	[[ $output == *'node2: no agent answers: '*[Nn]o*such\ image* ]]
	[[ $output == *'0 of 3 agents answer'* ]]
}

@test "deploy mends that: an agent on each node, a line for each" {
	run -0 swarmcap deploy --image swarmcap-agent:latest
	for n in 1 2 3; do
		[[ $output == *"node$n: agent 0.1.0 answers on $(lab address node$n):9473"* ]]
	done
	[[ $output == *'3 of 3 agents answer'* ]]
	[ "$(agents | wc -l)" = 3 ]
}

agent_pid() { docker_on "$1" inspect -f '{{.State.Pid}}' "$(docker_on "$1" ps -q | head -1)"; }
healthy() { [ "$(docker_on "$1" inspect -f '{{.State.Health.Status}}' "$(docker_on "$1" ps -q | head -1)")" = healthy ]; }

@test "Docker finds each agent healthy" {
	for n in node1 node2 node3; do wait_for 60 healthy $n; done
}

@test "undeploy refuses while an agent does not answer: nobody knows what lies there" {
	local pid
	pid=$(agent_pid node2)
	run_on node2 kill -STOP "$pid"
	run swarmcap undeploy
	run_on node2 kill -CONT "$pid"
	[ "$status" -eq 1 ]
	[[ $output == *'cannot tell whether captures lie'*node2* && $output == *--force* ]]
	[ "$(agents | wc -l)" = 3 ]
}

@test "credentials are the deployer's alone" {
	run -0 run_on node1 sh -c 'cd /root/.config/swarmcap/* && stat -c "%a %n" . *'
	[ "$output" = "700 .
600 agent-key.pem
600 agent.pem
600 ca-key.pem
600 ca.pem
600 client-key.pem
600 client.pem" ]
	docker_on node1 secret ls -q | while read -r id; do docker_on node1 secret inspect "$id" </dev/null; done |
		jq -r '.[].Spec | .Name, .Labels.swarmcap' >"$BATS_TEST_TMPDIR/secrets"
	[ "$(grep -cE '^swarmcap-(ca|cert|key)-[0-9a-f]{8}$' "$BATS_TEST_TMPDIR/secrets")" = 3 ]
	[ "$(grep -cx 1 "$BATS_TEST_TMPDIR/secrets")" = 3 ]
	# nor do the CA's key and the client's ever leave the directory
	run -0 run_on node2 ls "/proc/$(agent_pid node2)/root/run/secrets"
	[ "$(xargs <<<"$output")" = "agent-key.pem agent.pem ca.pem" ]
}

@test "the agent has two capabilities, a read-only root, and listens on one address" {
	local task
	task=$(docker_on node3 ps -q --filter label=com.docker.swarm.service.name=swarmcap-agent)
	run -0 docker_on node3 inspect -f '{{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{.HostConfig.NetworkMode}}' "$task"
	[ "$output" = '[ALL] [CAP_SYS_ADMIN CAP_NET_RAW] true false host' ]
	run -0 docker_on node3 inspect -f '{{range .Mounts}}{{.Destination}} {{.RW}} {{.Propagation}};{{end}}' "$task"
	[[ $output == *'/run/docker false rslave;'* ]]
	run -0 run_on node3 ss -Hltn 'sport = :9473'
	[ "$(awk '{ print $4 }' <<<"$output")" = "$(lab address node3):9473" ]
}

@test "doctor finds three healthy nodes" {
	run -0 --separate-stderr swarmcap doctor
	[ "$(grep -cE '^node[123] +ready +agent +0\.1\.0 .* 36[45] days .* seen$' <<<"$output")" = 3 ]
	[ -z "$stderr" ]
	run -0 --separate-stderr swarmcap doctor --json
	[ "$(jq -s 'map(select(.ok and .netns_ok and .agent == "0.1.0" and .certificate_days >= 364)) | length' <<<"$output")" = 3 ]
}

@test "twice is once: nothing restarts" {
	local before
	before=$(agents)
	run -0 swarmcap deploy
	[[ $output == *'is as it should be'* ]]
	run -0 swarmcap deploy --image swarmcap-agent:latest
	[ "$(agents)" = "$before" ]
}

@test "another CA is refused, and nothing changes" {
	local before
	before=$(agents)
	run -1 swarmcap deploy --credentials /root/none
	[[ $output == *'another CA'* ]]
	run ! run_on node1 test -e /root/none
	make_credentials "$SHARE/other" 10
	run -1 swarmcap deploy --credentials "$SHARE/other"
	[[ $output == *'belong to another CA'* ]]
	run -1 swarmcap undeploy --credentials "$SHARE/other"
	[[ $output == *'another CA'* ]]
	run -1 swarmcap doctor --credentials "$SHARE/other"
	[[ $output == *'another CA'* ]]
	[ "$(agents)" = "$before" ]
}

@test "a key that others may read is refused" {
	run_on node1 sh -c "chmod 640 $(credentials)/client-key.pem"
	run -1 swarmcap doctor
	[[ $output == *'may be read by others'* ]]
	run_on node1 sh -c "chmod 600 $(credentials)/client-key.pem"
}

@test "who may speak: this CA's client and nobody else" {
	local c=$SHARE/tls from to old=20200101000000Z
	run_on node1 sh -c "cp $(credentials)/*.pem $c/"
	from=$(date -u -d '1 hour ago' +%Y%m%d%H%M%SZ)
	to=$(date -u -d '1 day' +%Y%m%d%H%M%SZ)

	[ "$(ask --cert "$c/client.pem" --key "$c/client-key.pem")" = 200 ]
	[ "$(ask --tlsv1.3 --cert "$c/client.pem" --key "$c/client-key.pem")" = 200 ]

	refused
	refused --tls-max 1.2 --cert "$c/client.pem" --key "$c/client-key.pem"
	refused --cert "$c/agent.pem" --key "$c/agent-key.pem"
	refused --cert "$SHARE/other/client.pem" --key "$SHARE/other/client-key.pem"
	# of this CA, but expired; not yet valid; of another name; an agent's usage under the client's name
	make_certificate "$c" ca expired swarmcap-client client $old 20200201000000Z
	refused --cert "$c/expired.pem" --key "$c/expired-key.pem"
	make_certificate "$c" ca early swarmcap-client client "$to" 20990101000000Z
	refused --cert "$c/early.pem" --key "$c/early-key.pem"
	make_certificate "$c" ca named someone client "$from" "$to"
	refused --cert "$c/named.pem" --key "$c/named-key.pem"
	make_certificate "$c" ca wrong swarmcap-client agent "$from" "$to"
	refused --cert "$c/wrong.pem" --key "$c/wrong-key.pem"
	# the same makings with the right values are let in: so the refusals were for what they should be
	make_certificate "$c" ca right swarmcap-client client "$from" "$to"
	[ "$(ask --cert "$c/right.pem" --key "$c/right-key.pem")" = 200 ]
	# and a coordinator does not speak to whom this CA has not signed
	run_on node2 curl -s -m 5 --cacert "$SHARE/other/ca.pem" --resolve "swarmcap-agent:9473:$(lab address node1)" \
		https://swarmcap-agent:9473/v1/info && return 1
	# plain HTTP gets nothing
	run ! run_on node2 curl -sf -m 5 "http://$(lab address node1):9473/v1/info"
}

# A service to capture, on all three nodes
sleeper() {
	docker_on node1 network create --driver overlay app
	service sleeper 3 sleep
}

no_sleeper() {
	docker_on node1 service rm sleeper
	wait_for 60 docker_on node1 network rm app
}

capturing() { wait_for 60 grep -q '^swarmcap: capturing' "$BATS_TEST_TMPDIR/err"; }

@test "captures that run are not ended by a deploy or undeploy" {
	local before
	lab image "$BUILD/workload.tar"
	sleeper
	background swarmcap capture sleeper -o "$SHARE/running.tar"
	capturing
	before=$(agents)
	for command in undeploy 'deploy --port 9474' 'deploy --rotate'; do
		# shellcheck disable=SC2086 # words
		run -1 swarmcap $command
		[[ $output =~ node[123]:\ [0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\ \(running\) ]]
		[[ $output == *'swarmcap fetch ID'* && $output == *--force* ]]
	done
	run -0 swarmcap deploy
	[ "$(agents)" = "$before" ]
	finish INT
	[ "$status" = 0 ]

	run -0 swarmcap deploy --port 9474
	[[ $output == *":9474"* ]]
	run -0 swarmcap capture sleeper -d 300ms -o "$SHARE/port.tar"
}

@test "the agents' own options: given to all, kept by the next deploy, changed by name" {
	words() { run_on node2 sh -c "tr '\\0' ' ' </proc/$(agent_pid node2)/cmdline"; }
	run -0 swarmcap deploy --keep 2h --quota 1G --floor 1M --ring-bytes 64M
	[[ "$(words)" == *' --keep 2h --quota 1G --floor 1M --ring-bytes 64M '* ]]
	run -0 swarmcap deploy --keep 24h
	[[ "$(words)" == *' --keep 24h --quota 1G --floor 1M --ring-bytes 64M '* ]]
	run -0 swarmcap capture sleeper -d 300ms -o "$SHARE/own.tar"
}

@test "captures are not lost when nobody fetched them, unless --force" {
	local id
	background swarmcap capture sleeper -o "$SHARE/left.tar"
	capturing
	finish KILL
	run -1 swarmcap undeploy
	[[ $output == *'(running)'* ]]
	id=$(grep -oEm 1 '[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}' <<<"$output" | head -1)
	# the agents' next life goes on with it
	run -0 swarmcap deploy --force --port 9473
	run -0 swarmcap stop "$id"
	run -1 swarmcap deploy --port 9474
	[[ $output == *'(not fetched)'* ]]
	run -0 swarmcap rm "$id"
	no_sleeper
}

@test "rotate: new certificates, the old ones are worth nothing" {
	local c=$SHARE/tls before
	before=$(ca_label)
	run -0 swarmcap deploy --rotate
	[[ $output == *'3 of 3 agents answer'* ]]
	[ "$(ca_label)" != "$before" ]
	[ "$(docker_on node1 secret ls -q | wc -l)" = 3 ]
	run ! run_on node1 test -e "$(credentials).new"
	run_on node1 cp "$(credentials)/ca.pem" "$c/"
	refused --cert "$c/client.pem" --key "$c/client-key.pem"
	run -0 swarmcap doctor
}

is_new() { [ "$(ca_label)" != "$1" ]; }

@test "a rotation that died is finished, or undone" {
	local before dir
	dir=$(credentials)
	before=$(ca_label)
	# died before the service was changed: what it had made is thrown away
	run_on node1 bash -c "mkdir -m 700 $dir.new && cp -p $SHARE/other/{ca,client,agent}{,-key}.pem $dir.new/"
	run -0 swarmcap deploy
	run ! run_on node1 test -e "$dir.new"
	[ "$(ca_label)" = "$before" ]
	# died after
	background swarmcap deploy --rotate
	wait_for 60 grep -q 'updating the service' "$BATS_TEST_TMPDIR/err"
	wait_for 60 is_new "$before"
	finish KILL
	run -0 swarmcap deploy
	[[ $output == *'a rotation was interrupted: finishing it'* ]]
	run ! run_on node1 test -e "$dir.new"
	[ "$(ca_label)" != "$before" ]
	[ "$(docker_on node1 secret ls -q | wc -l)" = 3 ]
	run -0 swarmcap doctor
}

old_agent_answers() { swarmcap doctor --json | grep -q '"agent":"0.0.9"'; }
no_agent_on() { [ -z "$(docker_on "$1" ps -q)" ]; }
is_down() { docker_on node1 node ls --format '{{.Hostname}} {{.Status}}' | grep -qx "$1 Down"; }

@test "an older agent is found, and replaced once its node has the new image" {
	local old=$BATS_TEST_TMPDIR/old
	sed 's/0\.1\.0/0.0.9/g' "$BUILD/swarmcap-agent" >"$old"
	chmod +x "$old"
	"$top/deploy/mkimage" "$old" "$old.tar"
	lab image --node node2 "$old.tar"
	docker_on node2 rm -f "$(docker_on node2 ps -q --filter label=com.docker.swarm.service.name=swarmcap-agent)"
	wait_for 60 old_agent_answers
	run -3 swarmcap doctor
	[[ $output == *'node2: its agent is 0.0.9'* ]]
	run -3 swarmcap deploy
	[[ $output == *'1 of 3 agents are of another version'* ]]
	lab image --node node2 "$BUILD/image.tar"
	run -0 swarmcap deploy
	run -0 swarmcap doctor
}

@test "nodes without an agent are told with why" {
	docker_on node1 node update --availability drain node3
	docker_on node1 node update --availability pause node2
	wait_for 60 no_agent_on node3
	run -0 swarmcap deploy
	[[ $output == *'node3: no agent: the node is drained'* ]]
	[[ $output == *'node2: no agent: the node is paused'* ]]
	[[ $output == *'1 of 1 agents answer'* ]]
	run -0 swarmcap doctor
	[[ $output =~ node3\ +drained\ +- ]]
	docker_on node1 node update --availability active node2
	docker_on node1 node update --availability active node3
	run -0 swarmcap deploy
	[[ $output == *'3 of 3 agents answer'* ]]
}

@test "a node that has never had a network namespace gets its agent" {
	local node
	docker_on node1 network rm ingress <<<y
	sleep 1
	node=$(lab add)
	lab image --node "$node" "$BUILD/image.tar"
	run -0 swarmcap deploy
	[[ $output == *"$node: agent 0.1.0 answers"* ]]
	run -0 swarmcap doctor
	[ "$(grep -c ' seen$' <<<"$output")" = 4 ]
}

@test "undeploy: a node that is down is told, the rest is gone" {
	lab kill node4
	wait_for 60 is_down node4
	run -0 swarmcap deploy
	[[ $output == *'node4: no agent: the node is down'* ]]
	run -3 swarmcap doctor
	[[ $output == *'node4: the node is down'* ]]
	run -3 swarmcap undeploy
	[[ $output == *'node4: not reached, the node is down: its volume swarmcap-spool stays'* ]]
	[[ $output == *'node2: the agent and its spool are gone'* ]]
}

# Nothing of ours on node1 to node3, nor in the Swarm
nothing_left() {
	local n
	for n in node1 node2 node3; do
		[ -z "$(docker_on $n ps -aq)$(docker_on $n volume ls -q)" ] || return 1
	done
	[ -z "$(docker_on node1 service ls -q)$(docker_on node1 secret ls -q)" ] || return 1
	[ "$(curl -s --unix-socket "$LAB_DIR/node1/docker.sock" http://lab/tasks |
		jq --arg down "$(docker_on node1 node ls -qf name=node4)" '[.[] | select(.NodeID[:12] != $down[:12])] | length')" = 0 ]
}

@test "nothing is left, but the deployer's credentials" {
	wait_for 60 nothing_left
	run -0 run_on node1 sh -c 'ls /root/.config/swarmcap/*/ca-key.pem'
	run -0 swarmcap undeploy
	[[ $output == *'no agent is deployed'* ]]
	before=$(sha256sum < <(run_on node1 sh -c 'cat /root/.config/swarmcap/*/ca.pem'))
	run -0 swarmcap deploy --image swarmcap-agent:latest --rotate
	[ "$(sha256sum < <(run_on node1 sh -c 'cat /root/.config/swarmcap/*/ca.pem'))" != "$before" ]
	run swarmcap undeploy
	wait_for 60 nothing_left
}

@test "certificates by hand, that end soon: doctor warns, deploy renews" {
	make_credentials "$SHARE/soon" 10
	with() { lab exec node1 env SWARMCAP_CREDENTIALS="$SHARE/soon" "$BUILD/swarmcap" "$@"; }
	run -0 with deploy --image swarmcap-agent:latest
	run -3 with doctor
	[[ $output =~ node1:\ its\ certificate\ ends\ in\ (9|10)\ days ]]
	[[ $output =~ client\.pem\'\ ends\ in\ (9|10)\ days ]]
	run -0 with deploy --rotate
	run -3 with doctor
	[[ $output != *certificate\ ends* ]]
}
