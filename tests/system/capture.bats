#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The main job: services on three nodes are captured, and what was captured is what was sent.

load helpers
load capture

setup_file() { capture_lab 6 10; }
teardown_file() { lab_down; }

# One line per IP packet of a file, without times: what tells a packet from another
packets() {
	tshark -r "$1" -Y "${2:-ip}" -T fields -E separator=, -e frame.time_epoch -e ip.src -e ip.dst -e ip.proto -e ip.id \
		-e ip.len -e tcp.srcport -e tcp.dstport -e tcp.seq_raw -e tcp.ack_raw -e tcp.flags -e udp.srcport -e udp.dstport 2>/dev/null
}

# Theirs ran longer on both sides. Each packet of ours is among theirs, as often; and each of theirs between our
# first and our last packet (1 ms of slack: each socket takes its own time) is among ours.
same_packets() {
	awk -F, '
		{ time = $1; sub(/^[^,]*,/, "") }
		NR == FNR { if (!first) first = time; last = time; ours[$0]++; n++; next }
		{ theirs[$0]++ }
		time > first + 0.001 && time < last - 0.001 { inside++; if (theirs[$0] > ours[$0]) { print "only tcpdump saw: " $0; bad++ } }
		END {
			for (k in ours) if (ours[k] > theirs[k]) { print "only swarmcap saw: " k; bad++ }
			print n " packets of ours, " inside " of theirs inside"
			exit bad > 0 || n < 100 || inside < 100
		}' "$1" "$2"
}

# Every packet of one direction of one connection stands in the order in which tcpdump has it. But when two CPUs send at
# the same moment (data from the program, an ACK from the softirq) the kernel may hand the two to two sockets in two orders:
# one packet in 500 may have changed places.
same_order() {
	local moved
	cut -d, -f2,3,6- "$1" | grep -xF -f <(cut -d, -f2,3,6- "$2") | sort -s -t, -k1,2 -k4,5 >"$BATS_TEST_TMPDIR/order.1"
	cut -d, -f2,3,6- "$2" | grep -xF -f <(cut -d, -f2,3,6- "$1") | sort -s -t, -k1,2 -k4,5 >"$BATS_TEST_TMPDIR/order.2"
	diff "$BATS_TEST_TMPDIR/order.1" "$BATS_TEST_TMPDIR/order.2" >"$BATS_TEST_TMPDIR/order.diff" || true
	cat "$BATS_TEST_TMPDIR/order.diff"
	moved=$(grep -c '^<' "$BATS_TEST_TMPDIR/order.diff") || true
	[ "$moved" -le $(($(wc -l <"$BATS_TEST_TMPDIR/order.1") / 500)) ]
}

tcpdump_in() {
	pid_of "$2"
	start "$1" run_on "$node" nsenter -t "$pid" -n tcpdump -i eth0 --immediate-mode -U -B 65536 -w "$SHARE/$1.pcap"
	wait_for 60 grep -q 'listening on' "$BATS_TEST_TMPDIR/$1.err"
}

# leave_behind NAME ARG...: a capture of web, ended by ^C twice, the second one while a slow node3 gives out its files
leave_behind() {
	local task to
	task=$(placed web | awk '$2 == "node3" { sub(/\.[^.]*$/, "", $1); print $1; exit }')
	to=$(in_task "$task" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start "$1" swarmcap capture web -d 1h -o "$SHARE/$1.tar" "${@:2}"
	armed "$1"
	exec_task client@node1 /workload flood "$to" 80 3000 1000
	run_on node3 tc qdisc replace dev eth0 root tbf rate 8mbit burst 16k latency 100ms
	kill -INT "${!1}"
	wait_for 60 staged "$1"
	stop "$1" 1
	run_on node3 tc qdisc del dev eth0 root
}
staged() { [ -n "$(find "$SHARE/.$1.tar.partial-"* -type f)" ]; }

# Requests 1001 to 1180 while web and client are captured, two tcpdumps beside; ended by ^C. Kept for the tests below.
@test "every numbered request is in the client's file and in that of the task that answered, as tcpdump saw it" {
	local n task
	tcpdump_in beside_web web.2
	tcpdump_in beside_client client@node2
	start main swarmcap capture web client -o "$SHARE/main.tar.zst"
	armed main
	grep -q '^swarmcap: capturing 9 of 9 tasks on 3 nodes' "$BATS_TEST_TMPDIR/main.err"
	exec_task client@node2 /workload send web 80 1001 1180 >"$BATS_FILE_TMPDIR/answers"
	stop main
	stop beside_web
	stop beside_client

	unpack "$SHARE/main.tar.zst"
	[ "$(awk '{ print $3 }' "$BATS_FILE_TMPDIR/answers" | xargs)" = "$(seq 1001 1180 | xargs)" ]
	tshark -r "$(file_of client@node2)" -Y http.request -T fields -e http.request.uri >"$BATS_TEST_TMPDIR/uris" 2>/dev/null
	[ "$(grep -xE '/[0-9]+' "$BATS_TEST_TMPDIR/uris" | xargs)" = "$(seq -f /%.0f 1001 1180 | xargs)" ]
	for n in $(seq 6); do
		task=$(find_task "web.$n" | cut -d' ' -f1)
		tshark -r "$(file_of "web.$n")" -Y http.request -T fields -e http.request.uri 2>/dev/null |
			grep -xE '/[0-9]+' >"$BATS_TEST_TMPDIR/asked" || true
		awk -v t="$task" '$2 == t { print "/" $3 }' "$BATS_FILE_TMPDIR/answers" | diff - "$BATS_TEST_TMPDIR/asked"
		tshark -r "$(file_of "web.$n")" -Y http.response -T fields -e http.file_data 2>/dev/null |
			grep -oE '[^ ]+ [^ ]+ 1[0-9]{3}\b' >"$BATS_TEST_TMPDIR/answered" || true
		awk -v t="$task" '$2 == t' "$BATS_FILE_TMPDIR/answers" | diff - "$BATS_TEST_TMPDIR/answered"
	done

	packets "$(file_of web.2)" 'ip && frame.interface_name == "eth0"' >"$BATS_TEST_TMPDIR/ours"
	packets "$SHARE/beside_web.pcap" >"$BATS_TEST_TMPDIR/theirs"
	same_packets "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
	same_order "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
	packets "$(file_of client@node2)" 'ip && frame.interface_name == "eth0"' >"$BATS_TEST_TMPDIR/ours"
	packets "$SHARE/beside_client.pcap" >"$BATS_TEST_TMPDIR/theirs"
	same_packets "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
	same_order "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
}

@test "capinfos, tshark and tcpdump find no error in any file, and the checksums hold" {
	local f
	unpack "$SHARE/main.tar.zst"
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(wc -l <"$unpacked/SHA256SUMS")" -eq $(($(find "$unpacked" -type f | wc -l) - 1)) ]
	for f in "$unpacked"/*.pcapng; do
		run -0 capinfos "$f"
		[ "$(manifest ".targets[].files[] | select(.name == \"${f##*/}\") | .packets")" = \
			"$(capinfos -TrcM "$f" 2>/dev/null | awk '{ print $NF }')" ]
		run -0 --separate-stderr tshark -r "$f" -Y _ws.malformed
		[ -z "$output" ]
		run -1 grep -iE 'cut short|damaged|corrupt|error' <<<"$stderr"
		run -0 tcpdump -r "$f" -c 5
	done
}

@test "names are those of host, task and date, as docker service ps knows them" {
	local task node name file stamp
	unpack "$SHARE/main.tar.zst"
	[ "${unpacked##*/}" = main ]
	stamp=$(manifest .window.start | sed 's/T/_/; s/\..*//; s/:/-/g')
	while read -r task node _; do
		file=$(manifest ".targets[] | select(.task_id == \"${task##*.}\") | .files[].name")
		name=${task%.*}.$(cut -c1-6 <<<"${task##*.}")
		[ "$file" = "$node-$name-$stamp.pcapng" ]
		[ "$(manifest ".targets[] | select(.task_id == \"${task##*.}\") | .node")" = "$node" ]
		[ "$(manifest ".targets[] | select(.task_id == \"${task##*.}\") | .service")" = "${task%%.*}" ]
	done < <(placed web)
	[ "$(manifest '.targets | length')" -eq 9 ]
	[ "$(manifest '.missing | length')" -eq 0 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]
	[ "$(manifest '.targets[] | select(.packets < 10) | .task')" = "" ]
	[ "$(find "$unpacked" -name '*.pcapng' | wc -l)" -eq 9 ]
	[ -z "$(find "$unpacked" "$SHARE/main.tar.zst" -type f -not -perm 600)" ]
}

@test "the hosts file, and the names in every capture, resolve the tasks' addresses" {
	local task address
	unpack "$SHARE/main.tar.zst"
	address=$(manifest '.targets[] | select(.task == "web.2") | .networks[] | select(.name == "app") | .addresses[0]')
	task=$(find_task web.2 | cut -d' ' -f1)
	[ -n "$address" ]
	grep -q "^${address%/*}	web\.2\.$(cut -c1-6 <<<"${task##*.}")\$" "$unpacked/hosts"
	sort -c -t. -k1,1n -k2,2n -k3,3n -k4,4n <(cut -f1 "$unpacked/hosts")
	tshark -r "$(file_of client@node1)" -N n -q -z hosts 2>/dev/null | grep -q "^${address%/*}[[:space:]]*web\.2\."
}

@test "an interface block says where its packets are from; received and dropped are told" {
	unpack "$SHARE/main.tar.zst"
	tshark -r "$(file_of web.2)" -T fields -e frame.interface_name -e frame.interface_description 2>/dev/null |
		sort -u | grep -qE "^eth0	web\.2\.[a-z0-9]{6}@$(node_of web.2) eth0 \(app 10\."
	[ "$(manifest '[.targets[].dropped_kernel, .targets[].dropped_agent] | add')" -eq 0 ]
	[ "$(manifest '.targets[] | select(.received < .packets) | .task')" = "" ]
	capinfos "$(file_of web.2)" | grep -q '^Capture application: swarmcap 0\.'
	capinfos "$(file_of web.2)" | grep -q "^Capture oper-sys:.*$(uname -r), host $(node_of web.2)\$"
	[ "$(manifest '.nodes | map(select(.clock_error_ns > 0 and .clock_error_ns < 100000000
		and (.clock_offset_ns | fabs) <= .clock_error_ns + 1000000)) | length')" -eq 3 ]
	[ "$(manifest '.window.arm_spread_ns >= 0 and .window.arm_spread_ns < 1000000000')" = true ]
	[ "$(manifest '[.nodes[].route] | unique | join(" ")')" = agent ]
}

@test "--merge adds one file with every packet of all tasks, in order, each under its own interface" {
	local n=0 f merged
	run -0 --separate-stderr swarmcap capture web client -d 2s --merge -o "$SHARE/merge.tar"
	unpack "$SHARE/merge.tar"
	merged=$unpacked/merged.pcapng
	[ "$(manifest .capture.merged)" = merged.pcapng ]
	manifest '.notes[]' | grep -qE '^the order of packets of two nodes is uncertain where they are less than [0-9.]+ ms apart'
	for f in "$unpacked"/node*.pcapng; do n=$((n + $(capinfos -Mrc "$f" | sed -n 's/^Number of packets: *//p'))); done
	[ "$n" -gt 100 ]
	[ "$(capinfos -Mc "$merged" | sed -n 's/^Number of packets: *//p')" -eq "$n" ]
	capinfos "$merged" | grep -q 'Strict time order:   True'
	# each task's packets are under its name, all of them
	tshark -r "$merged" -T fields -e frame.interface_description 2>/dev/null | sed 's/ .*//' | sort | uniq -c >"$BATS_TEST_TMPDIR/in-merged"
	for f in "$unpacked"/node*.pcapng; do tshark -r "$f" -T fields -e frame.interface_description 2>/dev/null; done |
		sed 's/ .*//' | sort | uniq -c | diff - "$BATS_TEST_TMPDIR/in-merged"
	tshark -N n -r "$merged" -Y http.request 2>/dev/null | grep -qE ' client[.][^ ]* → web[.]'
	(cd "$unpacked" && sha256sum --quiet -c SHA256SUMS)
	"$BUILD/swarmcap" archive verify "$SHARE/merge.tar"
	"$BUILD/swarmcap" archive info "$SHARE/merge.tar" | grep -q '^merged    merged.pcapng$'
	# made again from the archive it is the same, byte for byte
	"$BUILD/swarmcap" -q archive merge "$SHARE/merge.tar" -o "$BATS_TEST_TMPDIR/again.pcapng"
	cmp "$merged" "$BATS_TEST_TMPDIR/again.pcapng"
}

@test "--max-packets 100 gives exactly 100 in a busy target" {
	local to
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start flood_beside "$top/tests/lab/lab" docker "$(node_of client@node1)" exec "$(find_task client@node1 | cut -d' ' -f3)" \
		/workload flood "$to" 80 100000 200 2000
	run -0 swarmcap capture web -f 'udp port 80' --max-packets 100 -d 2s -o "$SHARE/packets.tar"
	stop flood_beside 143 TERM
	unpack "$SHARE/packets.tar"
	[ "$(manifest '.targets[] | select(.task == "web.1") | "\(.packets) \(.end)"')" = "100 packets" ]
	[ "$(tshark -r "$(file_of web.1)" 2>/dev/null | wc -l)" -eq 100 ]
	[ "$(manifest '.targets[] | select(.task == "web.2") | "\(.packets) \(.end)"')" = "0 duration" ]
}

@test "--max-bytes is never passed, and the next packet would not have fitted" {
	local to size
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start flood_beside "$top/tests/lab/lab" docker "$(node_of client@node1)" exec "$(find_task client@node1 | cut -d' ' -f3)" \
		/workload flood "$to" 80 100000 200 2000
	run -0 swarmcap capture web -f 'udp port 80' --max-bytes 20000 -d 2s -o "$SHARE/bytes.tar"
	stop flood_beside 143 TERM
	unpack "$SHARE/bytes.tar"
	[ "$(manifest '.targets[] | select(.task == "web.1") | .end')" = bytes ]
	size=$(stat -c %s "$(file_of web.1)")
	# a packet's block: 32 bytes around 242, padded, and at most a flags option
	echo "size $size"
	[ "$size" -le 20000 ]
	[ $((20000 - size)) -lt $((32 + 244 + 12)) ]
	capinfos "$(file_of web.1)" >/dev/null
}

@test "--format pcap gives classic files that every tool reads" {
	local file n count=0
	run -0 swarmcap capture web --format pcap -f 'tcp port 80' -d 300ms -o "$SHARE/classic.tar"
	unpack "$SHARE/classic.tar"
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(manifest .capture.format)" = pcap ]
	[ -z "$(find "$unpacked" -name '*.pcapng')" ]
	while read -r file n; do
		[[ $file == *.pcap ]]
		[ "$(capinfos -TrtcM "$unpacked/$file" | cut -f2-)" = "nsecpcap	$n" ]
		[ "$(tcpdump -nn -r "$unpacked/$file" 'tcp port 80' 2>/dev/null | wc -l)" -eq "$n" ]
		[ "$(tshark -r "$unpacked/$file" -Y 'tcp.port == 80' 2>/dev/null | wc -l)" -eq "$n" ]
		count=$((count + n))
	done < <(manifest '.targets[].files[] | "\(.name) \(.packets)"')
	[ "$count" -gt 0 ]
	[ "$(manifest '[.targets[].notes | map(select(test("tell interfaces apart"))) | length] | join(" ")')" = '1 1 1 1 1 1' ]
}

@test "memory stays flat: a capture is gathered that is larger than the memory allowed" {
	local to times=1 limit=(prlimit --data=$((80 << 20)))
	# a sanitizer's shadow is larger than any limit: under it all is asked but that; and what it slows drops more
	[[ "$BUILD" != *san-* ]] || { limit=(); times=4; }
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	start large run_on node1 "${limit[@]}" "$BUILD/swarmcap" capture web -o "$SHARE/large.tar.zst"
	armed large
	for ((; times; times--)); do exec_task "client@$(node_of web.1)" /workload flood "$to" 80 100000 1400; done
	stop large
	unpack "$SHARE/large.tar.zst"
	[ "$(manifest '[.targets[].files[].bytes] | max')" -gt $((100 << 20)) ]
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	rm -r "$unpacked" "$SHARE/large.tar.zst"
}

@test "several services, one of them named twice, are one capture of each task" {
	run -0 swarmcap capture web client "$(docker_on node1 service inspect -f '{{.ID}}' web)" -d 300ms -o "$SHARE/several.tar"
	unpack "$SHARE/several.tar"
	[ "$(manifest '.targets | length')" -eq 9 ]
	[ "$(manifest '[.targets[].task_id] | unique | length')" -eq 9 ]
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = duration ]
	[ "$(manifest '.capture.limits.duration_ms')" -eq 300 ]
}

@test "the duration is counted from the moment when all are armed" {
	run -0 swarmcap capture web -d 700ms -o "$SHARE/duration.tar"
	unpack "$SHARE/duration.tar"
	# times of one day, in nanoseconds
	[ "$(manifest '.window | [.start, .stop] | map(.[11:19] as $t | .[20:29] as $n | ($t | split(":") | map(tonumber)
		| .[0] * 3600 + .[1] * 60 + .[2]) * 1000000000 + ($n | tonumber)) | (.[1] - .[0]) / 1000000
		| . >= 700 and . < 1500')" = true ]
	# what came between arm and window.start is kept
	[ "$(manifest '.window.start as $w | .targets[] | select(.started > $w) | .task')" = "" ]
}

@test "--dry-run tells who would capture what, and nobody captures" {
	# no node can be contacted without credentials
	run -0 swarmcap --credentials /none capture web --dry-run
	local file task
	run -0 --separate-stderr swarmcap capture web client --dry-run
	for task in $(placed web | cut -d' ' -f1); do grep -q "${task%.*}" <<<"$output"; done
	for node in node1 node2 node3; do grep -q "$node" <<<"$output"; done
	run -0 --separate-stderr swarmcap capture web --dry-run --json -o "$SHARE/dry.tar"
	[ "$(jq -s length <<<"$output")" -ge 6 ]
	for file in "$SHARE"/*dry*; do [ ! -e "$file" ]; done
}

@test "--json gives one JSON object per line on stdout, and nothing else" {
	run -0 --separate-stderr swarmcap capture web -d 300ms --json -o "$SHARE/json.tar"
	[ "$(wc -l <<<"$output")" -ge 2 ]
	[ "$(jq -c 'type' <<<"$output" | sort -u)" = '"object"' ]
	[ "$(jq -c . <<<"$output" | wc -l)" -eq "$(wc -l <<<"$output")" ]
	grep -q 'json.tar' <<<"$output"
}

@test "stdout is the archive's name; -q says no more than that" {
	run -0 --separate-stderr swarmcap capture web -d 200ms -o "$SHARE/loud.tar"
	[ "$output" = "$SHARE/loud.tar" ]
	[ -n "$stderr" ]
	run -0 --separate-stderr swarmcap -q capture web -d 200ms -o "$SHARE/quiet.tar"
	[ "$output" = "$SHARE/quiet.tar" ]
	[ -z "$stderr" ]
}

@test "the extension chooses the archive, '/' a folder" {
	local ext
	for ext in tar tar.gz tar.zst zip; do
		run -0 swarmcap capture web -d 200ms -o "$SHARE/kind.$ext"
		unpack "$SHARE/kind.$ext"
		[ "${unpacked##*/}" = kind ]
		(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	done
	run -0 swarmcap capture web -d 200ms -o "$SHARE/folder/"
	(cd "$SHARE/folder" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(find "$SHARE/folder" -name '*.pcapng' | wc -l)" -eq 6 ]
	[ -z "$(find "$SHARE" -name '.*partial*')" ]
}

@test "without -o the archive is named by the first selector and the id" {
	run -0 run_on node1 sh -c "mkdir -p /root/w && cd /root/w && $BUILD/swarmcap capture web client -d 200ms"
	run -0 run_on node1 ls /root/w
	[[ "$output" =~ ^web\+1-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\.tar\.zst$ ]]
}

@test "-i captures one interface, -s keeps the beginning of each packet" {
	run -0 swarmcap capture web -i eth0 -s 64 -d 1500ms -o "$SHARE/eth0.tar"
	unpack "$SHARE/eth0.tar"
	[ "$(manifest '[.targets[].interfaces[].name] | unique | join(" ")')" = eth0 ]
	[ "$(manifest '.capture.snaplen')" -eq 64 ]
	[ "$(manifest '.targets[] | select(.truncated == 0) | .task')" = "" ]
	run -0 --separate-stderr tshark -r "$(file_of web.1)" -T fields -e frame.cap_len -e frame.len
	[ "$(awk '$1 > 64' <<<"$output" | wc -l)" -eq 0 ]
	[ "$(awk '$2 > $1' <<<"$output" | wc -l)" -eq "$(manifest '.targets[] | select(.task == "web.1") | .truncated')" ]
	run -1 swarmcap capture web -i nosuch -d 500ms -o "$SHARE/nosuch.tar"
	[[ "$output" == *"no interface nosuch"* ]]
	[ ! -e "$SHARE/nosuch.tar" ]
}

@test "ls shows the tasks with node, state, address and route; as JSON, too" {
	run -0 --separate-stderr swarmcap ls web
	[ "$(awk 'NR == 1 { print $1, $2, $3, $4, $5, $6 }' <<<"$output")" = "SERVICE TASK NODE STATE ADDRESSES ROUTE" ]
	[ "$(awk '$1 == "web" && $4 == "running" && $NF == "agent"' <<<"$output" | wc -l)" -eq 6 ]
	while read -r task node _; do
		grep -qE "^web +${task%.*}\.[a-z0-9]{6} +$node " <<<"$output"
	done < <(placed web)
	run -0 --separate-stderr swarmcap ls web --json
	[ "$(jq -r .service <<<"$output" | uniq -c | xargs)" = "6 web" ]
	run -4 swarmcap ls nosuch
}

@test "-v tells how the nodes were reached; without it there is no such talk" {
	run -0 --separate-stderr swarmcap -v capture web -d 100ms -o "$SHARE/v.tar"
	for n in node1 node2 node3; do
		grep -qE "^swarmcap: $n: armed after [0-9]+ ms" <<<"$stderr"
		grep -qE "^swarmcap: $n: clock [+-][0-9.]+ ms, known to [0-9.]+ ms" <<<"$stderr"
	done
	run -0 --separate-stderr swarmcap capture web -d 100ms -o "$SHARE/q.tar"
	run -1 grep -E 'armed after|clock' <<<"$stderr"
}

@test "on a terminal a line tells the progress; in a pipe there is none" {
	run -0 run_on node1 script -qec "'$BUILD/swarmcap' capture web -d 2500ms -o '$SHARE/tty.tar'" /dev/null
	grep -q $'\r.*packets' <<<"$output"
	run -0 --separate-stderr swarmcap capture web -d 1500ms -o "$SHARE/pipe.tar"
	run -1 grep $'\r' <<<"$stderr"
}

@test "SIGTERM ends and gathers as ^C does" {
	start term swarmcap capture web -o "$SHARE/term.tar"
	armed term
	stop term 0 TERM
	unpack "$SHARE/term.tar"
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]
}

@test "--json: the events of a capture, and their fields" {
	run -0 --separate-stderr swarmcap capture web --json -d 300ms -o "$SHARE/events.tar"
	[ "$(jq -r 'select(.event != "progress") | .event' <<<"$output" | xargs)" = "plan armed stopped archive" ]
	jq -es 'map(select(.event == "plan"))[0] | .targets == 6 and .nodes == 3 and .missing == 0' <<<"$output"
	jq -es 'map(select(.event == "armed"))[0] | .targets == 6 and .of == 6 and .nodes == 3' <<<"$output"
	jq -es 'map(select(.event == "stopped"))[0] | .reason == "duration"' <<<"$output"
	jq -es 'map(select(.event == "archive"))[0] | .targets == 6 and .missing == 0 and .exit == 0' <<<"$output"
	[ "$(jq -r 'select(.event != "progress") | .id' <<<"$output" | sort -u | wc -l)" -eq 1 ]
}

@test "a filter with a host's name is resolved by the coordinator, once" {
	local to
	to=$(in_task web.1 ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	run_on node1 sh -c "echo '$to onetask' >>/etc/hosts"
	run -0 swarmcap capture web -f 'host onetask and tcp port 80' -d 1s -o "$SHARE/filter.tar"
	unpack "$SHARE/filter.tar"
	[ "$(manifest .capture.filter)" = 'host onetask and tcp port 80' ]
	[ "$(manifest '.targets[] | select(.task == "web.1") | .packets')" -gt 0 ]
	[ "$(manifest '[.targets[] | select(.task != "web.1") | .packets] | add')" -eq 0 ]
	[ "$(tshark -r "$(file_of web.1)" -Y "!(ip.addr == $to && tcp.port == 80)" 2>/dev/null | wc -l)" -eq 0 ]
}

@test "^C once gathers; twice leaves the rest on the nodes, whence fetch takes it and rm drops it" {
	local id
	start once swarmcap capture web -d 1h -o "$SHARE/once.tar"
	armed once
	sleep 0.3
	stop once
	unpack "$SHARE/once.tar"
	[ "$(manifest '[.targets[].end] | unique | join(" ")')" = stopped ]

	leave_behind twice --format pcap
	[ ! -e "$SHARE/twice.tar" ]
	[ -z "$(find "$SHARE" -name '.*partial*')" ]
	id=$(id_in "$BATS_TEST_TMPDIR/twice.err")
	grep -q "swarmcap fetch $id" "$BATS_TEST_TMPDIR/twice.err"

	run -0 swarmcap fetch "$id" -o "$SHARE/twice.tar"
	unpack "$SHARE/twice.tar"
	[ "$(manifest '.capture.id')" = "$id" ]
	[ "$(manifest '.targets | length')" -eq 6 ]
	[ "$(manifest '[.targets[].packets] | max')" -ge 3000 ]
	(cd "$unpacked" && sha256sum --quiet --strict -c SHA256SUMS)
	[ "$(manifest '.capture.selectors | join(" ")')" = web ]
	[ "$(find "$unpacked" -name '*.pcap' | wc -l)" -eq 6 ]
	[ "$(manifest '.targets[] | select(.image == null or .service != "web") | .task')" = "" ]
}

@test "rm drops a capture from the nodes, and a second time finds none" {
	local id
	leave_behind left
	id=$(id_in "$BATS_TEST_TMPDIR/left.err")
	run -0 swarmcap rm "$id"
	run ! swarmcap fetch "$id" -o "$SHARE/left.tar"
	[ ! -e "$SHARE/left.tar" ]
	run ! swarmcap rm "$id"
}

@test "what is in an archive is not on the nodes any more" {
	run -0 run_on node2 sh -c 'find /var/lib/docker/volumes/*/_data -mindepth 1 -name "*.pcap*"'
	[ -z "$output" ]
}
