#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Rotation: a long capture is many files, or the last ones of them; together they are what one file would have been.

load helpers
load capture

setup_file() { capture_lab 3 5; }
teardown_file() { lab_down; }

# What a packet of flood takes in a pcapng file at most: 32 bytes around 242, padded, and a flags option
BLOCK=$((32 + 244 + 12))

address_of() { in_task "$1" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }

# flood COUNT [PPS]: so many packets of 200 bytes, numbered from 1, to web.1
flood() { exec_task client@node1 /workload flood "$(address_of web.1)" 80 "$1" 200 "${2:-2000}"; }

# The entry of web.1
entry() { manifest ".targets[] | select(.task == \"web.1\") | $1"; }

# Its files, in the manifest's order
files() { entry '.files[].name'; }

# Its part of a file's name, before the number
stem() {
	local task node
	read -r task node _ < <(find_task web.1)
	echo "$node-${task%.*}.$(cut -c1-6 <<<"${task##*.}")-$(manifest .window.start | sed 's/T/_/; s/\..*//; s/:/-/g')"
}

# The numbers that flood gave to the packets of a file: its payload's digits, up to the space
numbers() { tshark -r "$1" -Y udp -T fields -e udp.payload 2>/dev/null | sed 's/://g; s/20.*//; s/3\(.\)/\1/g'; }

# Every file is sound, and the manifest knows it
all_sound() {
	local name packets bytes
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(wc -l <"$unpacked/SHA256SUMS")" -eq $(($(find "$unpacked" -type f | wc -l) - 1)) ]
	[ "$(manifest '.targets[].files[].name' | sort)" = "$(find "$unpacked" -name '*.pcap*' -printf '%f\n' | sort)" ]
	while read -r name packets bytes; do
		[ "$(stat -c %s "$unpacked/$name")" -eq "$bytes" ]
		run -0 capinfos "$unpacked/$name"
		[ "$(capinfos -TrcM "$unpacked/$name" 2>/dev/null | awk '{ print $NF }')" = "$packets" ]
		run -0 --separate-stderr tcpdump -nn -r "$unpacked/$name"
		[ "$(grep -c . <<<"$output")" -eq "$packets" ]
		run -1 grep -iE 'truncated|bad|error' <<<"$stderr"
		run -0 --separate-stderr tshark -r "$unpacked/$name" -Y _ws.malformed
		[ -z "$output" ]
	done < <(manifest '.targets[].files[] | "\(.name) \(.packets) \(.bytes)"')
}

# Its ring has a place of the snap length for each packet: the default's 256 KiB make it 64 of 16 MiB, too few on a busy machine
tcpdump_in() {
	pid_of "$2"
	start "$1" run_on "$node" nsenter -t "$pid" -n tcpdump -i eth0 -s 512 --immediate-mode -U -B 16384 -w "$SHARE/$1.pcap" 'udp port 80'
	wait_for 60 grep -q 'listening on' "$BATS_TEST_TMPDIR/$1.err"
}

# spooled PATTERN: files of that name in the spool of web.1's node
spooled() { run_on "$(node_of web.1)" find /var/lib/docker/volumes/swarmcap-spool/_data -name "$1"; }
any_spooled() { [ -n "$(spooled "$1")" ]; }
at_most_spooled() { [ "$(spooled "$2" | wc -l)" -le "$1" ]; }

@test "--rotate-bytes: no file is larger, none could have been, and together they are what tcpdump saw" {
	local name size stem n=0 last
	tcpdump_in beside web.1
	start bytes swarmcap capture web -f 'udp port 80' --rotate-bytes 256k -o "$SHARE/bytes.tar.zst"
	armed bytes
	flood 4000
	stop bytes
	stop beside

	unpack "$SHARE/bytes.tar.zst"
	all_sound
	[ "$(manifest '.capture.limits | "\(.rotate_bytes) \(.rotate_ms) \(.keep_files)"')" = "262144 null null" ]
	last=$(files | tail -n 1)
	stem=$(stem)
	while read -r name; do
		[ "$name" = "$(printf '%s-%03d.pcapng' "$stem" "$n")" ]
		size=$(stat -c %s "$unpacked/$name")
		echo "$name: $size bytes"
		[ "$size" -le 262144 ]
		[ "$name" = "$last" ] || [ $((262144 - size)) -lt "$BLOCK" ]
		numbers "$unpacked/$name" >>"$BATS_TEST_TMPDIR/ours"
		n=$((n + 1))
	done < <(files)
	[ "$n" -ge 4 ]
	[ "$n" -le 6 ]

	[ "$(entry .packets)" -eq 4000 ]
	[ "$(entry '[.files[].packets] | add')" -eq 4000 ]
	[ "$(entry .received)" -eq 4000 ]
	[ "$(entry '.dropped_kernel + .dropped_agent')" -eq 0 ]
	[ "$(tcpdump -nn -r "$SHARE/beside.pcap" 2>/dev/null | wc -l)" -eq 4000 ]
	diff <(sort -n "$BATS_TEST_TMPDIR/ours") <(seq 4000)
	[ "$(entry '[.files[].first] == ([.files[].first] | sort)')" = true ]
	[ "$(entry .end)" = stopped ]
}

@test "a task that had but one file has it as -000, and every file tells where it is from" {
	local name on
	unpack "$SHARE/bytes.tar.zst"
	on=$(node_of web.1)
	[ "$(manifest '.targets[] | select(.task != "web.1") | .files | length' | xargs)" = '1 1' ]
	while read -r name; do [[ $name == *-000.pcapng ]]; done < <(manifest '.targets[] | select(.task != "web.1") | .files[].name')
	while read -r name; do
		tshark -r "$unpacked/$name" -T fields -e frame.interface_description 2>/dev/null | sort -u |
			grep -qE "^web\.1\.[a-z0-9]{6}@$on eth0 \(app 10\."
		tshark -r "$unpacked/$name" -N n -q -z hosts 2>/dev/null | grep -q "[[:space:]]web\.2\."
	done < <(files)
}

@test "--rotate-time: files follow each other by the clock" {
	local n took=$SECONDS
	start time swarmcap capture web -f 'udp port 80' --rotate-time 1s -o "$SHARE/time.tar"
	armed time
	# 5 s, where the sender is not slowed down
	flood 2500 500
	stop time
	took=$((SECONDS - took))
	unpack "$SHARE/time.tar"
	all_sound
	[ "$(manifest '.capture.limits | "\(.rotate_bytes) \(.rotate_ms) \(.keep_files)"')" = "null 1000 null" ]
	n=$(files | wc -l)
	entry '.files[] | "\(.name) \(.packets) \(.first) \(.last)"'
	[ "$n" -ge 4 ]
	[ "$n" -le $((took + 1)) ]
	diff <(files) <(seq -f "$(stem)-%03g.pcapng" 0 $((n - 1)))
	[ "$(entry '[.files[].packets] | add')" -eq "$(entry .packets)" ]
	# a second's packets each, however slow the sender was
	files | while read -r name; do capinfos -TrumM "$unpacked/$name" 2>/dev/null; done | awk '$NF + 0 > 1 { bad++ } END { exit bad > 0 || NR < 3 }'
	# nothing is lost between two files
	files | while read -r name; do numbers "$unpacked/$name"; done | sort -n >"$BATS_TEST_TMPDIR/ours"
	diff "$BATS_TEST_TMPDIR/ours" <(seq "$(head -n 1 "$BATS_TEST_TMPDIR/ours")" "$(tail -n 1 "$BATS_TEST_TMPDIR/ours")")
}

@test "--rotate-time does not wait for the next packet, and without packets no file begins" {
	start silence swarmcap capture web -f 'udp port 80' --rotate-time 1s -o "$SHARE/silence.tar"
	armed silence
	run -1 any_spooled '[0-9]*-000.pcapng'
	flood 10 100
	wait_for 60 any_spooled '[0-9]*-000.pcapng'
	sleep 2.5
	stop silence
	unpack "$SHARE/silence.tar"
	all_sound
	[ "$(entry .packets)" -eq 10 ]
	[ "$(entry '[.files[].packets] | add')" -eq 10 ]
	# as many as had packets, when ticks fell among them, and one that may be empty
	[ "$(entry '.files | length')" -le 4 ]
	[ "$(manifest '.targets[] | select(.task != "web.1") | .files | length' | xargs)" = '1 1' ]
}

@test "--keep-files: a ring of the last files, on the node and in the archive" {
	local n first
	start ring swarmcap capture web -f 'udp port 80' --rotate-bytes 64k --keep-files 3 -o "$SHARE/ring.tar"
	armed ring
	flood 4000
	# the one that is being written, which is hidden, counts
	wait_for 60 at_most_spooled 2 '[0-9]*-0[0-9][0-9].pcapng'
	stop ring
	unpack "$SHARE/ring.tar"
	all_sound
	[ "$(manifest '.capture.limits | "\(.rotate_bytes) \(.rotate_ms) \(.keep_files)"')" = "65536 null 3" ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(entry '.files | length')" -eq 3 ]
	n=$(files | head -n 1 | sed -E 's/.*-([0-9]{3})\.pcapng$/\1/')
	[ "$((10#$n))" -ge 10 ]
	diff <(files) <(seq -f "$(stem)-%03g.pcapng" "$((10#$n))" "$((10#$n + 2))")
	[ "$(entry '[.files[].bytes | select(. > 65536)] | length')" -eq 0 ]

	# the last packets, without a gap; the target counts them all
	files | while read -r name; do numbers "$unpacked/$name"; done | sort -n >"$BATS_TEST_TMPDIR/ours"
	first=$(head -n 1 "$BATS_TEST_TMPDIR/ours")
	diff "$BATS_TEST_TMPDIR/ours" <(seq "$first" 4000)
	[ "$first" -gt 2000 ]
	[ "$(entry .packets)" -eq 4000 ]
	[ "$(entry '[.files[].packets] | add')" -eq $((4001 - first)) ]
	[ "$(entry '.notes | map(select(test("files? .*removed|removed .*files?"))) | length')" -eq 1 ]
	[ "$(manifest '[.targets[] | select(.task != "web.1") | .notes | map(select(test("removed"))) | length] | add')" -eq 0 ]
}

@test "limits count over all files: --max-packets and --max-bytes stay exact" {
	start packets swarmcap capture web -f 'udp port 80' --rotate-bytes 64k --max-packets 1000 -o "$SHARE/packets.tar"
	armed packets
	flood 1500
	stop packets
	unpack "$SHARE/packets.tar"
	all_sound
	[ "$(entry '"\(.packets) \(.end)"')" = '1000 packets' ]
	[ "$(entry '[.files[].packets] | add')" -eq 1000 ]
	[ "$(entry '.files | length')" -ge 4 ]

	start bytes swarmcap capture web -f 'udp port 80' --rotate-bytes 64k --max-bytes 200k -o "$SHARE/max.tar"
	armed bytes
	flood 1500
	stop bytes
	unpack "$SHARE/max.tar"
	all_sound
	[ "$(entry .end)" = bytes ]
	entry '[.files[].bytes] | add'
	[ "$(entry '[.files[].bytes] | add')" -le 204800 ]
	[ "$(entry '204800 - ([.files[].bytes] | add)')" -lt 4096 ]
}

@test "--format pcap rotates too" {
	local name
	start classic swarmcap capture web --format pcap -f 'udp port 80' --rotate-bytes 64k -o "$SHARE/classic/"
	armed classic
	flood 1000
	stop classic
	unpacked=$SHARE/classic
	all_sound
	[ "$(entry '[.files[].packets] | add')" -eq 1000 ]
	[ "$(files | wc -l)" -ge 4 ]
	diff <(files) <(seq -f "$(stem)-%03g.pcap" 0 $(($(files | wc -l) - 1)))
	while read -r name; do [ "$(stat -c %s "$unpacked/$name")" -le 65536 ]; done < <(files)
}

@test "--fetch-rate: gathering takes its time; what ^C leaves of a rotation, fetch names as capture would have" {
	local id began ms bytes name n=0
	start slow swarmcap capture web -f 'udp port 80' --rotate-bytes 256k --fetch-rate 64k -o "$SHARE/slow.tar"
	armed slow
	flood 4000
	kill -INT "$slow"
	# more than a megabyte: it cannot be here within 5 s
	sleep 5
	kill -0 "$slow"
	stop slow 1
	[ ! -e "$SHARE/slow.tar" ]
	id=$(id_in "$BATS_TEST_TMPDIR/slow.err")

	began=${EPOCHREALTIME/./}
	run -0 swarmcap fetch "$id" --fetch-rate 256k -o "$SHARE/slow.tar"
	ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	unpack "$SHARE/slow.tar"
	all_sound
	bytes=$(entry '[.files[].bytes] | add')
	echo "$bytes bytes in $ms ms"
	[ "$ms" -ge $((bytes * 1000 / 262144)) ]
	[ "$(entry .packets)" -eq 4000 ]
	[ "$(manifest '.capture.limits | "\(.rotate_bytes) \(.rotate_ms) \(.keep_files)"')" = "262144 null null" ]
	while read -r name; do
		[[ $name == *-$(printf %03d "$n").pcapng ]]
		n=$((n + 1))
	done < <(files)
	[ "$n" -ge 4 ]
	[ "$(manifest '.targets[] | select(.task != "web.1") | .files[].name' | grep -c -- '-000\.pcapng$')" -eq 2 ]
}

@test "what does not fit together is refused before any node is contacted" {
	local option
	for option in '--keep-files 3' '--keep-files 1 --rotate-time 1s' '--rotate-bytes 60k' '--rotate-time 500ms' '--fetch-rate 1k'; do
		# shellcheck disable=SC2086 # words
		run -2 --separate-stderr swarmcap -H unix:///run/no-such.sock capture web $option -d 1s
		[[ $stderr == *"${option%% *}"* ]]
	done
}
