#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container beside a task's (ssh-helper), without ssh: tests/unit/tap_helper_test plays the coordinator, on the Engine's
# own socket. Numbered requests are counted by tshark; afterwards the node is as before.

load helpers
load capture

setup_file() {
	lab_up 1
	lab workload 1 5
	make -s -C "$top" B="$BUILD" "$BUILD/unit/tap_helper_test"
	make_image tools-ash "$(command -v busybox)" sh
	make_image tools-dash "$(command -v dash)" sh
	make_image tools-bare
	make_image tools-debian
	lab image "$BUILD/image.tar"
	docker_on node1 rmi swarmcap-agent:latest swarmcap-agent:0.1.0
}
teardown_file() { lab_down; }

setup() { state >"$BATS_TEST_TMPDIR/before"; }
teardown() {
	after_failure
	wait_for 60 as_before
	diff "$BATS_TEST_TMPDIR/before" <(state)
}
# What there is on the node: containers, images, and processes that capture
state() {
	docker_on node1 ps -a --no-trunc --format '{{.ID}} {{.Names}}' | sort
	docker_on node1 images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort
	run_on node1 ps -eo comm | grep -cE '^(tcpdump|swarmcap-agent)$' || true
}
as_before() { diff -q "$BATS_TEST_TMPDIR/before" <(state); }

# make_image NAME [PROGRAM AS]: an image of tcpdump, and a shell. Debian's tcpdump becomes another user, for which a helper has
# no capability; others' (Alpine's, netshoot's) do not, and so does this one where its library's calls are covered up.
make_image() {
	local root=$BATS_FILE_TMPDIR/$1 file
	mkdir -p "$root"/{bin,etc,usr/bin,dev,proc,sys,tmp}
	for file in "$(command -v tcpdump)" ${2:+"$2"}; do
		ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' | xargs -r -I{} cp -L --parents {} "$root"
	done
	cp "$(command -v tcpdump)" "$root/usr/bin/tcpdump"
	[ $# -eq 1 ] || cp "$2" "$root/bin/$3"
	[ "$1" != tools-ash ] || ln -s sh "$root/bin/sleep"
	echo root:x:0:0::/:/bin/sh >"$root/etc/passwd"
	echo tcpdump:x:103:107::/:/bin/sh >>"$root/etc/passwd"
	cc -shared -fPIC -o "$root/same-user.so" -x c - <<<'int initgroups(void *n, int g) { return 0; } int setgid(int g) { return 0; } int setuid(int u) { return 0; }'
	tar -C "$root" -cf "$BATS_FILE_TMPDIR/$1.tar" .
	[ "$1" = tools-debian ] || set -- "$1" --change 'ENV LD_PRELOAD=/same-user.so'
	docker_on node1 import "${@:2}" "$BATS_FILE_TMPDIR/$1.tar" "$1:latest" >/dev/null
}

# helper VARIABLE=VALUE...: captures web.1 until its stdin, a pipe named $hold, is closed (let_go)
helper() {
	local task container
	read -r task _ container < <(find_task web.1)
	hold=$BATS_TEST_TMPDIR/hold
	mkfifo "$hold"
	env SWARMCAP_IMAGE="$BUILD/image.tar" HELPER_SOCKET="$LAB_DIR/node1/docker.sock" HELPER_CONTAINER="$container" HELPER_DIR="$BATS_TEST_TMPDIR" \
		HELPER_TASK="${task##*.}" HELPER_OUT="$BATS_TEST_TMPDIR/out.pcapng" "$@" \
		"$BUILD/unit/tap_helper_test" <"$hold" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	background=$!
	exec 7>"$hold"
}
let_go() { exec 7>&-; }
helper_armed() { wait_for 60 grep -q '^armed' "$BATS_TEST_TMPDIR/err"; }

# Requests FROM to TO are in the file, each once, asked and answered
has_requests() {
	tshark -r "$BATS_TEST_TMPDIR/out.pcapng" -Y http.request -T fields -e http.request.uri 2>/dev/null | grep -xE '/[0-9]+' |
		diff - <(seq -f /%.0f "$1" "$2")
}

send_and_end() {
	exec_task client@node1 /workload send web 80 "$1" "$2" >/dev/null
	let_go
	finish
	echo "$stderr"
	[ "$status" -eq 0 ]
}

the_helper() { docker_on node1 ps -q --filter label=swarmcap.helper; }

@test "the agent's image is loaded, captures with names and counters, and is gone afterwards" {
	local id
	helper
	helper_armed
	id=$(the_helper)
	[ "$(docker_on node1 inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.LogConfig.Type}}' "$id")" = \
		'[NET_RAW] [ALL] true none' ]
	# NET_RAW alone, in numbers of the kernel
	[ "$(run_on node1 sed -n 's/^CapEff:\t//p' "/proc/$(docker_on node1 inspect -f '{{.State.Pid}}' "$id")/status")" = 0000000000002000 ]
	send_and_end 1001 1040
	has_requests 1001 1040
	grep -qx 'interface eth0' <<<"$stderr"
	capinfos "$BATS_TEST_TMPDIR/out.pcapng" | grep -q 'Encapsulation *= Ethernet'
	[ "$(tshark -r "$BATS_TEST_TMPDIR/out.pcapng" -Y 'http.request.uri == "/1001"' -T fields -e frame.interface_name 2>/dev/null)" = eth0 ]
}

@test "an agent's image that is there is used, and stays" {
	lab image "$BUILD/image.tar"
	state >"$BATS_TEST_TMPDIR/before"
	helper
	helper_armed
	[ "$(docker_on node1 inspect -f '{{.Config.Image}}' "$(the_helper)")" = swarmcap-agent:0.1.0 ]
	send_and_end 1101 1120
	has_requests 1101 1120
}

@test "an older swarmcap-agent:latest is the same image as before" {
	docker_on node1 rmi swarmcap-agent:0.1.0 swarmcap-agent:latest || true
	docker_on node1 tag tools-bare:latest swarmcap-agent:latest
	state >"$BATS_TEST_TMPDIR/before"
	helper
	helper_armed
	[ "$(docker_on node1 inspect -f '{{.Config.Image}}' "$(the_helper)")" = swarmcap-helper:0.1.0 ]
	send_and_end 1 5
}

@test "any image with tcpdump: a shell with time-outs, one without, none" {
	local image
	for image in tools-ash tools-dash tools-bare; do
		rm -f "$BATS_TEST_TMPDIR/"{hold,out.pcapng}
		helper HELPER_IMAGE="$image"
		helper_armed
		send_and_end 2001 2020
		has_requests 2001 2020
		wait_for 60 as_before
	done
}

@test "the coordinator dies: the helper is removed" {
	local image
	for image in '' tools-ash tools-dash; do
		rm -f "$BATS_TEST_TMPDIR/"{hold,out.pcapng}
		helper HELPER_IMAGE="$image"
		helper_armed
		kill -KILL "$background"
		wait "$background" || true
		let_go
		wait_for 60 no_helper
	done
	# the image that was loaded stays for the next capture, which removes it
	rm -f "$BATS_TEST_TMPDIR/"{hold,out.pcapng}
	helper
	helper_armed
	send_and_end 1 5
}
no_helper() { [ -z "$(docker_on node1 ps -aq --filter label=swarmcap.helper)" ]; }

@test "what earlier runs left is swept, what others run is not" {
	local past=(--label swarmcap.helper=x --label swarmcap.deadline=1000) now
	now=$(($(date +%s) + 600))
	docker_on node1 run -d --name old "${past[@]}" --network none --entrypoint /workload swarmcap-workload sleep
	docker_on node1 run -d --name running --label swarmcap.helper=y --label swarmcap.deadline=$now --network none --entrypoint /workload swarmcap-workload sleep
	docker_on node1 run -d --name other --label swarmcap.deadline=1000 --network none --entrypoint /workload swarmcap-workload sleep
	helper HELPER_IMAGE=tools-ash
	helper_armed
	send_and_end 1 5
	[ "$(docker_on node1 ps -a --format '{{.Names}}' | grep -xE 'old|running|other' | sort | xargs)" = 'other running' ]
	docker_on node1 rm -f running other
}

@test "refusals: no such image, no tcpdump in it, the container is another's" {
	helper HELPER_IMAGE=nicolaka/netshoot
	let_go
	finish
	[ "$status" -eq 1 ]
	grep -q '^closed: the node has no image nicolaka/netshoot: load it there, or let it be pulled with --pull' <<<"$stderr"
	rm "$hold"

	helper HELPER_IMAGE=swarmcap-workload
	let_go
	finish
	[ "$status" -eq 1 ]
	grep -q 'there is no tcpdump in the image swarmcap-workload' <<<"$stderr"
	rm "$hold"

	helper HELPER_IMAGE=tools-debian
	let_go
	finish
	[ "$status" -eq 1 ]
	grep -q 'its tcpdump wants to become another user' <<<"$stderr"
	rm "$hold"

	helper HELPER_IMAGE=tools-ash HELPER_TASK=another
	let_go
	finish
	[ "$status" -eq 1 ]
	grep -q "the container is not the task's any more" <<<"$stderr"
}

# in_registry IMAGE DIR: what a registry serves of it
in_registry() {
	local dir=$2 config layer
	mkdir -p "$dir/save"
	docker_on node1 save "$1" | tar -xC "$dir/save"
	config=$(jq -r '.[0].Config' "$dir/save/manifest.json") layer=$(jq -r '.[0].Layers[0]' "$dir/save/manifest.json")
	blob() {
		local digest
		digest=$(sha256sum <"$dir/save/$1" | cut -d' ' -f1)
		cp "$dir/save/$1" "$dir/$digest"
		jq -nc --arg type "application/vnd.docker.$2" --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$dir/$digest")" \
			'{mediaType: $type, size: $size, digest: $digest}'
	}
	jq -nc --argjson config "$(blob "$config" container.image.v1+json)" --argjson layer "$(blob "$layer" image.rootfs.diff.tar)" \
		'{schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json", config: $config, layers: [$layer]}' >"$dir/manifest"
}

@test "--pull: an image that is in a registry alone is pulled; one that cannot be pulled is told" {
	local name=127.0.0.1:5000/tools
	in_registry tools-ash "$SHARE/registry"
	run_on node1 busybox nc -ll -p 5000 -e "$top/tests/system/registry" "$SHARE/registry" 3>&- >/dev/null 2>&1 &
	listens() { run_on node1 ss -Hltn 'sport = :5000' | grep -q .; }
	wait_for 60 listens
	helper HELPER_IMAGE=$name
	let_go
	finish
	[ "$status" -eq 1 ]
	grep -q "^closed: the node has no image $name: .*--pull" <<<"$stderr"
	rm "$hold"

	helper HELPER_IMAGE=$name HELPER_PULL=yes
	helper_armed || { cat "$BATS_TEST_TMPDIR/err"; false; }
	send_and_end 3001 3020
	has_requests 3001 3020
	rm "$hold"
	# it stays, as what `docker pull` fetched does
	docker_on node1 rmi $name
	run_on node1 pkill -f "[n]c -ll -p 5000"

	helper HELPER_IMAGE=$name HELPER_PULL=yes
	let_go
	finish
	[ "$status" -eq 1 ]
	echo "$stderr"
	grep -q "^closed: the node cannot pull the image $name: .*refused" <<<"$stderr"
}
