#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Large packets go from the ring to the disk without being copied. No lab: bare namespaces, agents without Docker.
# shellcheck disable=SC2154,SC2030,SC2031 # engine.bash and `start` set them; each test is a shell of its own

load helpers
load engine

# bats 1.8 calls no teardown_file when this fails
setup_file() {
	local status
	set +e
	(set -e; set_up)
	status=$?
	set -e
	[ $status -eq 0 ] || { cat "$LAB_DIR"/*.log >&2; engine_down; }
	return $status
}
set_up() {
	engine_up
	start_agent main
	start_agent crash
	for agent in main crash; do wait_for 60 agent_answers "$agent"; done
}
teardown_file() { engine_down; }
teardown() { after_failure; engine_clean; }

# 28 MB a second: what a machine with a sanitizer on it can do; a block of the ring fills in 36 ms
large() { within "$flooded" "$BUILD/frames" send eth0 "$1" size=1400 pps=20000 "${@:2}"; }
filtered='"filter": "udp port 5000"'

# without_copying FILE...: the filler in front of each such piece is a block of ours, "rlf" and a byte with its high bit set
without_copying() { LC_ALL=C grep -aq $'rlf\x80' "$@"; }
copied() { ! without_copying "$@"; }

@test "large packets are written without being copied: the same as tcpdump sees, byte for byte" {
	arm '{}' "$flooded"
	tcpdump_in eth0 "$flooded" eth0
	large 20000
	within "$flooded" "$BUILD/frames" send eth0 2000 size=9014 first=20001 pps=4000
	large 20000 first=22001
	sleep 1.2
	kill -INT "$eth0"
	wait "$eth0"
	stop_capture
	is '0 0' "$(ended '.targets[0] | "\(.dropped_kernel) \(.dropped_agent)"')"
	gather
	without_copying "$file"
	readable "$file"
	tshark -r "$file" -Y 'udp.port == 5000' -w "$BATS_TEST_TMPDIR/ours"
	tshark -r "$BATS_TEST_TMPDIR/eth0.pcap" -Y 'udp.port == 5000' -w "$BATS_TEST_TMPDIR/theirs"
	run -0 "$BUILD/judge" same "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
	counted 42000 "$file"
	# how they went and to whom is told of each, and the last statistics are of all
	is 42000 "$(tshark -r "$file" -Y 'udp.port == 5000 && frame.packet_flags_direction == 2' 2>/dev/null | wc -l)"
	is "$(ended '.targets[0].packets')" "$(capinfos -Mc "$file" | awk '/^Number of packets/ { print $NF }')"
	is "$(ended '.targets[0].bytes')" "$(stat -c %s "$file")"
}

@test "snaplen: what is cut short is told, and large packets that become small ones are copied" {
	arm "{$filtered, \"snaplen\": 1000}" "$flooded"
	large 20000
	stop_capture
	gather
	without_copying "$file"
	is '20000 20000' "$(ended '.targets[0] | "\(.packets) \(.truncated)"')"
	is '1000 1400' "$(tshark -r "$file" -T fields -e frame.cap_len -e frame.len 2>/dev/null | sort -u | xargs)"
	readable "$file"
	arm "{$filtered, \"snaplen\": 200}" "$flooded"
	large 20000
	stop_capture
	gather
	copied "$file"
	counted 20000 "$file"
}

# Where such a frame comes in, the kernel takes its tag off
@test "VLAN tags are in the file; blocks without them go whole, beside" {
	arm "{\"filter\": \"udp port 5000 or vlan\"}" "$inner"
	within "$outer" "$BUILD/frames" send main 10000 size=1400 pps=20000
	within "$outer" "$BUILD/frames" send main 10000 size=1400 pps=20000 first=10001 tag=8100:7
	stop_capture
	gather
	readable "$file"
	without_copying "$file"
	counted 20000 "$file"
	is 10000 "$(tshark -r "$file" -Y 'vlan.id == 7' 2>/dev/null | wc -l)"
	is 10000 "$(tshark -r "$file" -Y '!vlan' 2>/dev/null | wc -l)"
}

@test "limits are exact where blocks go whole: by packets, by bytes, by a file's size and time" {
	local n size
	arm "{$filtered, \"limits\": {\"max_packets\": 30000}}" "$flooded"
	large 40000
	wait_for 60 reports '.targets[0].end' packets
	stop_capture
	gather
	without_copying "$file"
	counted 30000 "$file"
	is 30000 "$(ended '.targets[0].packets')"

	arm "{$filtered, \"limits\": {\"max_bytes\": 30000000}}" "$flooded"
	large 40000
	wait_for 60 reports '.targets[0].end' bytes
	stop_capture
	gather
	without_copying "$file"
	size=$(stat -c %s "$file") n=$(ended '.targets[0].packets')
	[ "$size" -le 30000000 ]
	[ $((30000000 - size)) -lt $((32 + 1400 + 12)) ]
	is "$size" "$(ended '.targets[0].bytes')"
	counted "$n" "$file"

	arm "{$filtered, \"limits\": {\"rotate_bytes\": 10000000}}" "$flooded"
	large 40000
	stop_capture
	gather
	without_copying "${files[@]}"
	[ "${#files[@]}" -ge 6 ]
	[ "$(ended '[.targets[0].files[] | .bytes] | max')" -le 10000000 ]
	[ "$(ended '.targets[0].files | sort_by(.segment) | [.[:-1][].bytes] | min')" -gt $((10000000 - 32 - 1400 - 12)) ]
	counted 40000 "${files[@]}"
	readable "${files[@]}"

	arm "{$filtered, \"limits\": {\"rotate_ms\": 500}}" "$flooded"
	large 40000
	stop_capture
	gather
	without_copying "${files[@]}"
	[ "${#files[@]}" -ge 4 ]
	[ "$(ended '[.targets[0].files[] | select(.last_ns - .first_ns >= 500000000)] | length')" -eq 0 ]
	counted 40000 "${files[@]}"
}

# Nothing in the way of the packets reads all of their bytes
@test "the checksum of such a file is taken when it is read: with a fetch, or when it is asked for" {
	local sum
	arm "{$filtered}" "$flooded"
	large 20000
	stop_capture
	is null "$(ended '.targets[0].files[0].xxh128')"
	gather
	without_copying "$file"
	sum=$(xxh128sum <"$file" | cut -d' ' -f1)
	wait_for 60 reports '.targets[0].files[0].xxh128' "$sum"
	call GET "/v1/captures/$id/files/0-000.pcapng/sum"
	is "$code $sum" "200 $(jq -r .xxh128 "$answer")"

	arm "{$filtered}" "$flooded"
	large 20000
	stop_capture
	gather_in_parts
	sum=$(xxh128sum <"$file" | cut -d' ' -f1)
	is null "$(report '.targets[0].files[0].xxh128')"
	call GET "/v1/captures/$id/files/0-000.pcapng/sum"
	is "$code $sum" "200 $(jq -r .xxh128 "$answer")"
	is "$sum" "$(report '.targets[0].files[0].xxh128')"
	call GET "/v1/captures/$id/files/0-001.pcapng/sum"
	is 404 "$code"
	call POST "/v1/captures/$id/files/0-000.pcapng/sum" '{}'
	is 405 "$code"
}
gather_in_parts() {
	local url="http://agent/v1/captures/$id/files/0-000.pcapng"
	file=$BATS_TEST_TMPDIR/parts
	curl -sS --fail --unix-socket "$LAB_DIR/main.sock" -r 0-1000000 "$url" >"$file"
	curl -sS --fail --unix-socket "$LAB_DIR/main.sock" -r 1000001- "$url" >>"$file"
}

@test "kill -9 while large packets come: the next life has every one that is older than 3 s" {
	killed_under 100000 size=1400 pps=20000
	without_copying "$file"
}

@test "an agent that stands still while large packets come: what is lost is counted to the packet, the rest is in order" {
	local i
	arm "{$filtered}" "$flooded"
	start flood nsenter --net="$LAB_DIR/netns/1-$flooded" "$BUILD/frames" send eth0 200000 size=1400 pps=100000
	for i in 1 2 3 4 5; do
		sleep 0.1
		kill -STOP "$(agent_pid)"
		sleep 0.15
		kill -CONT "$(agent_pid)"
	done
	wait "$flood"
	stop_capture
	gather
	is 200000 "$(ended '.targets[0] | .packets + .dropped_kernel + .dropped_agent')"
	run -0 numbers "$file"
	echo "# $output, the kernel dropped $(ended '.targets[0].dropped_kernel')" >&3
	[[ "$output" == *' twice 0' ]]
	is "$(ended '.targets[0].packets')" "$(awk '{ print $4 }' <<<"$output")"
	readable "$file"
	without_copying "$file"
}
