#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Captures that live on their own: started, looked at, fetched, stopped and removed by whoever has the client's certificate.

load helpers
load capture

setup_file() { capture_lab 4; }
teardown_file() { lab_down; }

# On another manager, with a copy of what a client needs
elsewhere() { run_on node2 env SWARMCAP_CREDENTIALS="$SHARE/client.pem" "$BUILD/swarmcap" "$@"; }

state_of() { swarmcap status --json | jq -r "select(.id == \"$1\") | .state"; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
requests() { exec_task client@node1 /workload send web 80 "$1" "$2"; }
spool_of() { run_on "$1" find /var/lib/docker/volumes/swarmcap-spool/_data -name '*.pcapng'; }

# Every file is sound
all_sound() {
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	capinfos "$unpacked"/*.pcapng >/dev/null
	for name in "$unpacked"/*.pcapng; do
		tcpdump -nn -r "$name" >/dev/null 2>&1
	done
}

# The different requests /from-to in all files of web: numbers from 500000 on are ours
seen() {
	mergecap -w "$BATS_TEST_TMPDIR/all" "$unpacked"/*-web.*.pcapng
	tshark -r "$BATS_TEST_TMPDIR/all" -Y 'http.request.uri matches "^/5[0-9]{5}$"' -T fields -e http.request.uri 2>/dev/null | sort -u
}

# so_far ID FROM TO: a fetch of what is whole by now has these requests
so_far() {
	swarmcap fetch "$1" --force -o "$SHARE/half.tar" &&
		unpack "$SHARE/half.tar" && diff <(seen) <(seq -f '/%.0f' "$2" "$3")
}

@test "start prints an id and is gone; stop and fetch give every request in between" {
	local id
	run -0 --separate-stderr swarmcap start web -f 'tcp port 80'
	[[ $output =~ ^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$ ]]
	id=$output
	[[ $stderr == *'capturing 4 of 4 tasks'* ]]
	requests 500001 500040
	is_state "$id" running
	[ "$(swarmcap status --json | jq -r "select(.id == \"$id\") | .detached")" = true ]
	run -0 swarmcap status
	grep -qE "^$id +running +no +[1-3] +4 " <<<"$output"
	run -0 swarmcap status "$id"
	[ "$(grep -c running <<<"$output")" -eq 4 ]

	run -0 swarmcap stop "$id"
	is_state "$id" finished
	requests 500041 500050
	run -0 swarmcap fetch "$id" -o "$SHARE/one.tar"
	unpack "$SHARE/one.tar"
	all_sound
	diff <(seen) <(seq -f '/%.0f' 500001 500040)
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]
	# gathered, so gone
	run -1 swarmcap status "$id"
	[ -z "$(spool_of node1)" ]
}

@test "fetch while it goes on: whole files so far, exit 0, the manifest says so, and nothing is lost later" {
	local id before
	id=$(swarmcap start -q web -f 'tcp port 80' --rotate-time 1s)
	requests 500001 500020
	# a second's file is whole with the next one's first packet, or 2 s later
	wait_for 60 so_far "$id" 500001 500020
	unpack "$SHARE/half.tar"
	all_sound
	[ "$(manifest '.window.stop')" = null ]
	[ "$(manifest '[.targets[].end] | unique | tostring')" = '[null]' ]
	manifest '.notes[]' | grep -q 'still running'
	diff <(seen) <(seq -f '/%.0f' 500001 500020)
	is_state "$id" running
	before=$(manifest '[.targets[].files | length] | add')

	requests 500021 500030
	run -0 swarmcap stop "$id"
	run -0 swarmcap fetch "$id" -o "$SHARE/whole.tar"
	unpack "$SHARE/whole.tar"
	all_sound
	diff <(seen) <(seq -f '/%.0f' 500001 500030)
	[ "$(manifest '[.targets[].files | length] | add')" -gt "$before" ]
}

@test "without rotation nothing is whole while it goes on: an archive without files, and rm ends it" {
	local id
	id=$(swarmcap start -q web)
	run -0 swarmcap fetch "$id" -o "$SHARE/none.tar"
	unpack "$SHARE/none.tar"
	[ "$(manifest '.targets | length')" -eq 4 ]
	[ "$(manifest '[.targets[].files | length] | add')" -eq 0 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	run -0 swarmcap rm "$id"
	run -1 swarmcap status "$id"
	[ -z "$(spool_of node2)" ]
}

@test "it ends by itself, by its duration and 10 s more" {
	local id
	id=$(swarmcap start -q web -d 1s)
	is_state "$id" running
	wait_for 60 is_state "$id" finished
	run -0 swarmcap fetch "$id" -o "$SHARE/self.tar"
	unpack "$SHARE/self.tar"
	all_sound
	# nobody told the agents when the window closed: it did with the last of them
	[ "$(manifest '.window.stop')" = "$(manifest '[.targets[].stopped] | max')" ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = duration ]
}

@test "another machine with the exported credentials does all of it" {
	local id
	run -0 swarmcap deploy --export "$SHARE/client.pem"
	[ "$(stat -c %a "$SHARE/client.pem")" = 600 ]
	lab promote node2
	wait_for 60 docker_on node2 node ls
	id=$(swarmcap start -q web)
	run -0 elsewhere status "$id"
	[ "$(grep -c running <<<"$output")" -eq 4 ]
	run -0 elsewhere stop "$id"
	run -0 elsewhere fetch "$id" -o "$SHARE/other.tar"
	unpack "$SHARE/other.tar"
	[ "$(manifest '.targets | length')" -eq 4 ]
	# what others may read is as good as published
	chmod 644 "$SHARE/client.pem"
	run -1 elsewhere status
	[[ $output == *'read by others'* ]]
}

@test "what cannot be is refused" {
	run -2 swarmcap start web --route local
	[[ $output == *'swarmcap deploy'* ]]
	run -4 swarmcap start nosuch
	run -2 swarmcap stop nothing
	run -1 swarmcap stop 20200101T000000Z-000000
	run -1 swarmcap status 20200101T000000Z-000000
}

@test "who cannot be told is not stopped, and is told of; status is partial then" {
	local id
	id=$(swarmcap start -q web)
	lab cut node3
	run -3 --separate-stderr swarmcap stop "$id"
	[[ $stderr == *'1 nodes did not answer'* ]]
	run -3 --separate-stderr swarmcap status
	[[ $stderr == *node3* ]]
	grep -q "^$id  *finished" <<<"$output"
	lab heal node3
	# a manager that notices late calls the node down once more
	wait_for 60 is_state "$id" running
	# a Swarm that noticed restarts the node's agent once more
	wait_for 60 swarmcap rm "$id"
}

@test "what nobody fetched is dropped after --keep, fetch says so, and what runs stays" {
	local id other args
	mapfile -t args < <(docker_on node1 service inspect swarmcap-agent | jq -r '.[0].Spec.TaskTemplate.ContainerSpec.Args[]')
	docker_on node1 service update -q --detach=false --args "${args[*]} --keep 2s" swarmcap-agent >/dev/null
	wait_for 60 swarmcap status
	id=$(swarmcap start -q web)
	other=$(swarmcap start -q web)
	run -0 swarmcap stop "$id"
	wait_for 60 is_state "$id" dropped || { swarmcap status "$id" --json; swarmcap status; docker_on node1 node ls; docker_on node1 service ps swarmcap-agent; return 1; }
	run -0 --separate-stderr swarmcap status "$id" --json
	[[ $output == *--keep* ]]
	is_state "$other" running
	run -3 swarmcap fetch "$id" -o "$SHARE/late.tar"
	unpack "$SHARE/late.tar"
	[ "$(manifest '[.missing[].reason] | unique | join(" ")')" = dropped ]
	manifest '.missing[].error' | grep -q -- --keep
	run -0 swarmcap rm "$other"
	# of a service that two nodes have nothing of, one has something to drop
	lab service solo 1 sleep
	solo_runs() { [ "$(docker_on node1 service ps solo --format '{{.CurrentState}}' | grep -c ^Running)" -eq 1 ]; }
	wait_for 60 solo_runs
	id=$(swarmcap start -q solo)
	run -0 swarmcap stop "$id"
	wait_for 60 is_state "$id" dropped
	docker_on node1 service rm solo >/dev/null
}
