# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# engine.bash - agents without Docker, and bare namespaces for them to capture (loaded after helpers)
#
#   engine_up                for setup_file: helpers built, a world in $LAB_DIR with the namespaces below
#   engine_down              for teardown_file, and before engine_up: everything of it goes, whatever state it is in
#   start_agent NAME ARG...  an agent with socket and spool of its own; agent_answers NAME waits for it
#   kill_agent NAME SIGNAL   and waits for its end
#   engine_clean             for teardown: ends what `start` left, removes all captures, shows agents' logs of a failed test
#   within NS CMD...         CMD in a namespace
#
# Namespaces are the files $LAB_DIR/netns/1-NS, each a "network" for the agent. They are: $outer, $inner (eth0 to $outer,
# 10.201.1.2 to 10.201.1.1, fd00:201:: alike, MTU 9000, and lo), and $flooded (eth0 to $outer, where packets are numbered
# and sent, so that each passes the tap before anything can lose it).
#
# The API, of the agent that $agent names (main):
#   call METHOD PATH [BODY]  sets $code; the answer is in $answer (a file)
#   arm JSON NS...           arms a capture of these namespaces, JSON merged into the request; sets $id; all must be armed
#   report JQ                of capture $id, now
#   stop_capture             sets $took (ms); then `ended JQ` reads the report that stop answered
#   ended JQ
#   fetch NAME...            files of capture $id into $BATS_TEST_TMPDIR/$id/
#   remove_capture
#   numbers FILE...          "packets P distinct D first A last B twice T"; counted N FILE...: exactly N, 1 to N, once each

# shellcheck disable=SC2034 # for the tests
outer=testbed001 inner=testbed002 flooded=testbed003 mixed=testbed004 changing=testbed005

within() { nsenter --net="$LAB_DIR/netns/1-$1" "${@:2}"; }
frames() { "$BUILD/frames" "$@"; }

cable() {
	within "$outer" ip link add "$2" type veth peer name eth0 netns "$LAB_DIR/netns/1-$1"
	within "$outer" ip link set "$2" addrgenmode none mtu 9000 up
	within "$1" ip link set eth0 addrgenmode none mtu 9000 up
}

engine_up() {
	engine_down
	make --no-print-directory -C "$top" B="$BUILD" "$BUILD/frames" "$BUILD/judge" >&2
	mkdir -p "$LAB_DIR/netns"
	frames netns "$LAB_DIR/netns" testbed 5
	"$BUILD/frames" engine "$LAB_DIR/engine.sock" >"$LAB_DIR/engine.log" 2>&1 3>&- 4>&- &
	echo $! >"$LAB_DIR/engine.pid"
	cable "$inner" main
	cable "$flooded" flood
	cable "$mixed" mixed
	cable "$changing" change
	within "$outer" ip addr add 10.201.1.1/24 dev main
	within "$outer" ip addr add fd00:201::1/64 dev main nodad
	within "$inner" ip addr add 10.201.1.2/24 dev eth0
	within "$inner" ip addr add fd00:201::2/64 dev eth0 nodad
}

# An agent ends by itself, so that a sanitizer can speak; what it found fails the file.
engine_down() {
	local f found
	for f in "$LAB_DIR"/*.pid; do [ ! -e "$f" ] || end_ours "$(<"$f")"; done
	found=$(grep -hE 'Sanitizer|runtime error' -A 20 "$LAB_DIR"/*.log 2>/dev/null) || true
	cgroup_remove
	for f in "$LAB_DIR"/netns/1-*; do
		[ ! -e "$f" ] || umount -q "$f" || true
	done
	rm -rf "$LAB_DIR"
	[ -z "$found" ] || { echo "$found" >&2; return 1; }
}
end_ours() {
	[[ $(readlink "/proc/$1/exe") == @(*/swarmcap-agent|*/frames)* ]] || return 0
	kill -CONT "$1"
	kill -TERM "$1"
	wait_for 60 not_there "$1" || kill -KILL "$1"
}

start_agent() {
	env --default-signal=INT,TERM "$BUILD/swarmcap-agent" --socket "$LAB_DIR/$1.sock" --spool "$LAB_DIR/$1" \
		--netns-dir "$LAB_DIR/netns" --engine "unix://$LAB_DIR/engine.sock" --node-id engine-test \
		--quota 8G --floor 0 "${@:2}" >>"$LAB_DIR/$1.log" 2>&1 3>&- &
	echo $! >"$LAB_DIR/$1.pid"
}

agent_pid() { cat "$LAB_DIR/$agent.pid"; }
agent_answers() { agent=$1 call GET /v1/info && [ "$code" = 200 ]; }

kill_agent() {
	local pid
	pid=$(<"$LAB_DIR/$1.pid")
	kill -s "$2" "$pid"
	wait_for 60 not_there "$pid"
}
not_there() { [ ! -e "/proc/$1/exe" ] || grep -q '^State:.Z' "/proc/$1/status"; }

# What an agent writes to its disk goes through a cgroup: limit_disk BYTES-PER-SECOND|max. Fails where there is none.
blkio=/sys/fs/cgroup/blkio
limit_disk() {
	local device
	device=$(findmnt -no MAJ:MIN -T "$LAB_DIR")
	[ ! -e "/sys/dev/block/$device/partition" ] || device=$(cat "/sys/dev/block/$device/../dev")
	if [ -e "$blkio/blkio.throttle.write_bps_device" ]; then
		mkdir -p "$blkio/$LAB_NAME"
		echo "$device ${1/max/0}" >"$blkio/$LAB_NAME/blkio.throttle.write_bps_device"
		agent_pid >"$blkio/$LAB_NAME/cgroup.procs"
	else
		echo +io >/sys/fs/cgroup/cgroup.subtree_control
		mkdir -p "/sys/fs/cgroup/$LAB_NAME"
		echo "$device wbps=$1" >"/sys/fs/cgroup/$LAB_NAME/io.max"
		agent_pid >"/sys/fs/cgroup/$LAB_NAME/cgroup.procs"
	fi
}
cgroup_remove() {
	local d
	for d in "$blkio/$LAB_NAME" "/sys/fs/cgroup/$LAB_NAME"; do
		[ ! -d "$d" ] || wait_for 60 rmdir "$d" || true
	done
}

# ---- the API

agent=main
answer=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/answer

call() {
	code=$(curl -sS --max-time 20 --unix-socket "$LAB_DIR/$agent.sock" -X "$1" ${3:+--data-binary "$3"} \
		-o "$answer" -w '%{http_code}' "http://agent$2")
}

new_id() { printf '%(%Y%m%dT%H%M%SZ)T-%06x' -1 $((RANDOM * 32768 + RANDOM & 0xffffff)); }

# request JSON NS...: a whole request
request() {
	jq -nc --arg id "$id" --argjson more "$1" '{version: 1, id: $id, node_id: "engine-test", node_name: "node1",
		attached: false, lease_ms: 60000, deadline_ms: 60000, snaplen: 262144, format: "pcapng",
		targets: ($ARGS.positional | map({key: ., kind: "network", label: ., networks: [{name: ., id: .}]}))}
		* $more' --args "${@:2}"
}

arm() {
	id=$(TZ=UTC new_id)
	call POST /v1/captures "$(request "$@")"
	[ "$code" = 201 ] || { cat "$answer" >&2; return 1; }
	[ "$(jq -r '[.targets[].state] | unique | join(" ")' "$answer")" = armed ] || { jq .targets "$answer" >&2; return 1; }
}

report() { call GET "/v1/captures/$id" && jq -r "$1" "$answer"; }
reports() { [ "$(report "$1")" = "$2" ]; }
ended() { jq -r "$1" "$BATS_TEST_TMPDIR/$id.report"; }

stop_capture() {
	local begin=${EPOCHREALTIME/./}
	call POST "/v1/captures/$id/stop" '{"reason": "stopped"}'
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	cp "$answer" "$BATS_TEST_TMPDIR/$id.report"
	[ "$code" = 200 ]
}

fetch() {
	local f
	mkdir -p "$BATS_TEST_TMPDIR/$id"
	for f; do
		curl -sS --fail --max-time 20 --unix-socket "$LAB_DIR/$agent.sock" -o "$BATS_TEST_TMPDIR/$id/$f" \
			"http://agent/v1/captures/$id/files/$f"
	done
}

remove_capture() { call DELETE "/v1/captures/$id" && [ "$code" = 204 ]; }

# all files of the stopped capture, in order; $file is the first one
gather() {
	mapfile -t files < <(ended '.targets[].files | sort_by(.segment, .suffix)[] | .name')
	fetch "${files[@]}"
	files=("${files[@]/#/$BATS_TEST_TMPDIR/$id/}")
	file=${files[0]}
}

# is WANTED FOUND
is() { [ "$1" = "$2" ] || { printf 'wanted: %s\nfound:  %s\n' "$1" "$2"; return 1; }; }
numbers() { "$BUILD/judge" numbers "$@"; }
counted() { [ "$(numbers "${@:2}")" = "packets $1 distinct $1 first 1 last $1 twice 0" ] || { numbers "${@:2}"; return 1; }; }

# readable FILE...: for other people's tools, without a complaint
readable() {
	local f
	for f; do
		capinfos "$f" >"$BATS_TEST_TMPDIR/capinfos" 2>&1 || { cat "$BATS_TEST_TMPDIR/capinfos"; return 1; }
		tcpdump -nn -r "$f" >/dev/null 2>"$BATS_TEST_TMPDIR/tcpdump" || { cat "$BATS_TEST_TMPDIR/tcpdump"; return 1; }
		! grep -iE 'cut short|damaged|corrupt|truncated dump' "$BATS_TEST_TMPDIR"/{capinfos,tcpdump} || return 1
	done
}

# ---- an agent that dies

# Packets that the namespace has sent since it was made
sent() { within "$flooded" ip -s -j link show eth0 | jq '.[0].stats64.tx.packets'; }

# killed_under COUNT SEND-OPTION...: of agent crash; $file is what its next life recovered, with every packet that was older than 3 s
killed_under() {
	local before old n
	agent=crash
	arm '{"filter": "udp port 5000"}' "$flooded"
	before=$(sent)
	start traffic nsenter --net="$LAB_DIR/netns/1-$flooded" "$BUILD/frames" send eth0 "$@"
	sleep 1
	old=$(($(sent) - before))
	# a ring's time-out of 1 s, and twice a flush's 250 ms; the rest is for a busy machine
	sleep 3
	kill_agent crash KILL
	rm "$LAB_DIR/crash.sock"
	start_agent crash
	wait_for 60 agent_answers crash
	wait_for 60 reports '.targets[0] | "\(.state) \(.gaps | length)"' 'armed 1'
	stop_capture
	is 'stopped true 2' "$(ended '.targets[0] | .end, .files[0].recovered, (.files | length)' | xargs)"
	gather
	readable "$file"
	n=$(numbers "$file" | awk '{ print $2 }')
	counted "$n" "$file"
	echo "# recovered $n, 3 s before the end $old had been sent" >&3
	[ "$old" -gt 0 ]
	[ "$n" -ge "$old" ]
	is "$n" "$(ended '.targets[0].files[0].packets')"
	wait "$traffic"
}

# ---- processes beside a test

start() {
	env --default-signal=INT,QUIT "${@:2}" >"$BATS_TEST_TMPDIR/$1.out" 2>"$BATS_TEST_TMPDIR/$1.err" 3>&- &
	printf -v "$1" %s $!
	echo $! >>"$BATS_TEST_TMPDIR/pids"
}

# tcpdump hands over nothing of the block that is open when it is interrupted: it gets its second
tcpdump_in() { # NAME NS INTERFACE [FILTER]
	start "$1" nsenter --net="$LAB_DIR/netns/1-$2" tcpdump -Z root -i "$3" -B 65536 -w "$BATS_TEST_TMPDIR/$1.pcap" "${@:4}"
	wait_for 60 grep -q 'listening on' "$BATS_TEST_TMPDIR/$1.err"
}

engine_clean() {
	local pid one
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 5 "$LAB_DIR/$agent.log" 2>/dev/null || true
	agent=slow
	[ ! -d "$blkio/$LAB_NAME" ] && [ ! -d "/sys/fs/cgroup/$LAB_NAME" ] || limit_disk max || true
	[ ! -e "$BATS_TEST_TMPDIR/pids" ] || while read -r pid; do
		[ ! -d "/proc/$pid" ] || [ "$(ps -o ppid= -p "$pid" | xargs)" != $$ ] || kill -KILL "$pid" || true
	done <"$BATS_TEST_TMPDIR/pids"
	for agent in main small slow crash; do
		[ -S "$LAB_DIR/$agent.sock" ] || continue
		kill -CONT "$(agent_pid)" 2>/dev/null || continue
		call GET /v1/captures || continue
		for one in $(jq -r '.captures[].id' "$answer"); do call DELETE "/v1/captures/$one" || true; done
	done
}
