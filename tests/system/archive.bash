# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# archive.bash - archives and capture files made by other programs, for archive.bats (sourced by it)
#
# Functions
#   traffic FILE-1 FILE-2       60 packets of a namespace's loopback, seen by tcpdump (pcap) and by dumpcap (pcapng)
#   swapped FILE                a classic file in the other byte order, to stdout
#   pack DIR NAME               an archive NAME.tar.zst of the capture files in DIR, one task each, as swarmcap would
#                               write it: node and task are those of the file's name, NODE-TASK-….pcapng
#   clocks NODE=OFFSET/ERROR…   sets what pack puts into the manifest: nanoseconds
#   count FILE                  its packets
#   times FILE                  frame.time_epoch of each packet
#   bytes_of FILE [FILTER]      frame.len, cap_len and the bytes of each packet, in order

declare -gA clock_of=()

traffic() {
	# shellcheck disable=SC2016 # for the shell there
	timeout 60 unshare -n bash -c '
		ip link set lo up
		tcpdump -q -i lo -c 60 -w "$1" & dumpcap -q -i lo -c 60 -w "$2" &
		until [ "$(grep -c . /proc/net/packet)" -ge 3 ]; do sleep 0.05; done
		sleep 0.3
		while [ -n "$(jobs -pr)" ]; do
			printf "%0$((RANDOM % 900 + 1))d" 0 >/dev/udp/127.0.0.1/9
			sleep 0.01
		done 2>/dev/null
		wait' bash "$1" "$2" 2>/dev/null
}

swapped() {
	perl -e 'binmode STDIN; binmode STDOUT; local $/; my $d = <STDIN>; my $at = 24;
		print pack("NnnNNNN", unpack("VvvVVVV", $d));
		while ($at < length $d) {
			my @h = unpack("VVVV", substr($d, $at, 16));
			print pack("NNNN", @h), substr($d, $at + 16, $h[2]);
			$at += 16 + $h[2];
		}' <"$1"
}

clocks() {
	local c
	clock_of=()
	for c; do clock_of[${c%%=*}]=${c#*=}; done
}

# 1795444745.120334551 -> 2026-11-23T14:39:05.120334551Z
rfc3339() { [ -z "$1" ] || printf '%s.%sZ' "$(date -u -d "@${1%.*}" +%FT%T)" "${1#*.}"; }

count() { capinfos -Mc "$1" 2>/dev/null | sed -n 's/^Number of packets: *//p'; }

times() { tshark -r "$1" -T fields -e frame.time_epoch 2>/dev/null; }

bytes_of() { tshark -r "$1" ${2:+-Y "$2"} -T fields -e frame.len -e frame.cap_len -e frame.comment 2>/dev/null; tshark -r "$1" ${2:+-Y "$2"} -x 2>/dev/null; }

target() {
	local base node task all
	base=$(basename "$1")
	node=${base%%-*} task=${base#*-} task=${task%%-*}
	all=$(times "$1" | sort)
	jq -n --arg node "$node" --arg task "${task%.*}" --arg id "${task##*.}999" --arg name "$base" \
		--arg sha "$(sha256sum <"$1" | cut -d' ' -f1)" --arg first "$(rfc3339 "$(head -n 1 <<<"$all")")" \
		--arg last "$(rfc3339 "$(tail -n 1 <<<"$all")")" --argjson bytes "$(stat -c %s "$1")" --argjson n "$(grep -c . <<<"$all")" '
		{kind: "task", service: "web", task: $task, task_id: $id, node: $node, node_id: $node,
		 networks: [{name: "app", id: "x", addresses: ["10.0.1.5/24"]}],
		 interfaces: [{name: "lo"}, {name: "eth0"}],
		 files: [{name: $name, bytes: $bytes, packets: $n, sha256: $sha, first: $first, last: $last}],
		 packets: $n, received: $n, dropped_kernel: 3, dropped_agent: 0, truncated: 0,
		 started: null, stopped: null, end: "duration", error: null, joined: false, notes: []}'
}

node() {
	local known=${clock_of[$1]:-null/null}
	jq -n --arg n "$1" --argjson offset "${known%/*}" --argjson error "${known#*/}" '
		{id: $n, name: $n, address: "10.99.0.1", route: "agent", version: "0.1.0",
		 clock_offset_ns: $offset, clock_error_ns: $error, notes: []}'
}

# manifest DIR: of the files in it
manifest() {
	local f targets nodes
	targets=$(for f in "$1"/*.pcap*; do target "$f"; done | jq -s .)
	nodes=$(jq -r '.[].node' <<<"$targets" | sort -u | while read -r f; do node "$f"; done | jq -s .)
	jq -n --argjson targets "$targets" --argjson nodes "$nodes" '
		{schema: 1, program: "swarmcap 0.1.0",
		 capture: {id: "20261123T143905Z-3fa9c1", selectors: ["web"], filter: null, snaplen: 262144, format: "pcapng",
			   limits: {duration_ms: 30000}, follow: false, merged: null},
		 cluster: {id: "c", manager: "node1"},
		 window: {start: "2026-11-23T14:39:05.120334551Z", stop: "2026-11-23T14:39:35.120334551Z", arm_spread_ns: 1},
		 nodes: $nodes, targets: $targets, missing: [], notes: []}'
}

# sums DIR: anew
sums() { (cd "$1" && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS); }

pack() {
	local dir=$2.folder/$2
	mkdir -p "$2.folder"
	rm -rf "$dir"
	cp -r "$1" "$dir"
	printf '10.0.1.5\tweb.1.aaaaaa\n127.0.0.1\tlocal.task\n' >"$dir/hosts"
	manifest "$dir" >"$dir/manifest.json"
	sums "$dir"
	tar --zstd -C "$2.folder" -cf "$2.tar.zst" "$2/manifest.json" "$2/SHA256SUMS" "$2/hosts" \
		--exclude=manifest.json --exclude=SHA256SUMS --exclude=hosts "$2"
}
