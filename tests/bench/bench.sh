# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # some names are for those who source it
#
# bench.sh - what the benches share (sourced by them, after `here` and `top` are set)
#
#   BUILD   what is measured and what measures ($top/build)
#   RUNS    turns of each (5)
#   DOCS    a directory for NAME.md and NAME.svg of benches that publish; empty: stdout only
#   work    a directory on the disk that $BUILD lies on, removed at the end
#
# An agent captures in bare namespaces as in an overlay's: a namespace named 1-benchNNNNN is asked for as the
# network benchNNNNN. All of it happens in a mount and a PID namespace of their own (alone), so that whatever way a
# bench ends, its processes end with it, and its network namespaces with those.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
BUILD=$(readlink -f "${BUILD:-$top/build}")
runs=${RUNS:-5}
tools=$BUILD/bench
export BUILD
work=${BENCH_WORK:-}
started=()
lonely=''

# alone ARGS...: this script again with ARGS, alone with its mounts and processes: nothing of it outlives us
alone() {
	# shellcheck disable=SC2016 # for the shell there
	BENCH_WORK=$work setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
		bash -c 'mkdir -p /run/netns
			mount -t tmpfs -o mode=755 netns /run/netns
			exec "$@"' bash "$0" "$@" &
	lonely=$!
	wait $lonely
	lonely=''
}

begin() {
	[ "$(id -u)" = 0 ] || { echo 'bench: needs root' >&2; exit 1; }
	times_before=$(cpu_times)
	if [ -z "$work" ]; then
		make -s -C "$top" B="$BUILD" tools >&2
		sweep
		work=$BUILD/bench-$$
		mkdir "$work"
		trap 'end; rm -rf "$work"' EXIT
	else
		trap end EXIT
	fi
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# What a bench that was killed has left
sweep() {
	local d
	for d in "$BUILD"/bench-*; do [ -e "/proc/${d##*-}" ] || rm -rf "$d"; done
}

# Only what was started here, by its number
end() {
	local pid
	[ -z "$lonely" ] || { kill -KILL "$lonely"; wait "$lonely" || true; } 2>/dev/null
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	started=()
}

# ended PID: it was waited for
ended() {
	local pid left=()
	for pid in "${started[@]}"; do [ "$pid" = "$1" ] || left+=("$pid"); done
	started=("${left[@]}")
}

# until_ok SECONDS COMMAND...
until_ok() {
	local last=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/./} -lt $last ] || { echo "bench: never true: $*" >&2; return 1; }
		sleep 0.005
	done
}

# ---- figures

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# medians KEYS FILE: columns 1 to KEYS stay, those behind become their medians; in the order of first sight
medians() {
	awk -v keys="$1" '
		function median(s,    v, n, i, j, t) {
			n = split(s, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		}
		{
			key = $1
			for (i = 2; i <= keys; i++) key = key " " $i
			if (!(key in columns)) order[++count] = key
			columns[key] = NF
			for (i = keys + 1; i <= NF; i++) all[key, i] = all[key, i] " " $i
		}
		END {
			for (k = 1; k <= count; k++) {
				line = order[k]
				for (i = keys + 1; i <= columns[order[k]]; i++) line = line " " median(all[order[k], i])
				print line
			}
		}' "$2"
}

# What the machine's host has taken of the CPUs' time: when it is much, figures are of its other guests as well.
cpu_times() { awk '/^cpu / { for (i = 2; i <= 9; i++) n += $i; print n, $9 }' /proc/stat; }
stolen() { echo "$1 $(cpu_times)" | awk '{ printf "%.1f", ($3 > $1 ? ($4 - $2) * 100 / ($3 - $1) : 0) }'; }

machine() {
	printf '%s, %s cores, Linux %s, Debian %s, %s' \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | grep . || uname -m)" \
		"$(nproc)" "$(uname -r)" "$(cat /etc/debian_version)" "$(date -u +%F)"
}

# publish NAME: stdin is a page, to stdout and into DOCS, with the machine below it
publish() {
	{
		cat
		printf '\n%s, by make bench. The machine is noisy: believe ratios. Its host took %s %% of the CPUs'"'"' time.\n' \
			"$(machine)" "$(stolen "$times_before")"
	} >"$work/page.md"
	cat "$work/page.md"
	[ -z "${DOCS:-}" ] || { echo '<!-- SPDX-License-Identifier: Apache-2.0 -->'; cat "$work/page.md"; } >"$DOCS/$1.md"
}

# plot NAME WIDTH HEIGHT: stdin is gnuplot's commands
plot() {
	[ -n "${DOCS:-}" ] || { cat >/dev/null; return 0; }
	{
		echo "set terminal svg size $2,$3 font 'sans-serif,12' background '#ffffff'"
		echo "set output '$work/$1.svg'"
		cat
	} | gnuplot
	sed "s|$work/||g" "$work/$1.svg" >"$DOCS/$1.svg"	# it names what it read by its path
}

# demand NAME VALUE MOST: a sentence on stderr and `failed` when it is more
failed=0
demand() {
	awk -v v="$2" -v most="$3" 'BEGIN { exit !(v <= most) }' && return 0
	echo "bench: $1: $2, wanted at most $3" >&2
	failed=1
}

# ---- namespaces: all are in /run/netns, those to be captured in hang by eth0 on veths in `src`

inside() { nsenter --net="/run/netns/$1" "${@:2}"; }
target_name() { printf '1-bench%05d' "$1"; }
target_file() { printf '/run/netns/1-bench%05d' "$1"; }
# An address that is nobody's, in the network behind target N: what goes there is seen, and swallowed.
target_address() { echo "10.98.$1.9"; }

# lay_targets N: quiet ones; IPv6 stays off, so that no packet comes but what is sent
lay_targets() {
	local i n=$1
	ip netns add src
	inside src sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	for ((i = 1; i <= n; i++)); do
		ip netns add "$(target_name "$i")"
		inside "$(target_name "$i")" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
		echo "link add v$i type veth peer name eth0 netns $(target_name "$i")"
		echo "addr add 10.98.$i.1/24 dev v$i"
		echo "link set v$i up"
	done >"$work/src"
	ip -n src -batch "$work/src"
	for ((i = 1; i <= n; i++)); do
		ip -n "$(target_name "$i")" -batch - <<-END
			link set lo up
			link set eth0 address $(target_mac "$i")
			addr add 10.98.$i.2/24 dev eth0
			link set eth0 up
		END
		echo "neigh replace $(target_address "$i") lladdr $(target_mac "$i") nud permanent dev v$i"
	done >"$work/src"
	ip -n src -batch "$work/src"
}
target_mac() { printf '02:00:00:00:00:%02x' "$1"; }

drop_targets() {
	local f
	for f in /run/netns/src /run/netns/1-bench*; do [ ! -e "$f" ] || ip netns del "${f##*/}"; done
}

# ---- our agent

# start_engine: for an agent without Docker
start_engine() {
	"$tools/engine" "$work/engine.sock" &
	started+=($!)
	until_ok 5 test -S "$work/engine.sock"
	engine=unix://$work/engine.sock
}

# start_agent ENGINE NETNS-DIR: sets agent (its process)
start_agent() {
	"$tools/cost" run "$work/agent.cost" - "$BUILD/swarmcap-agent" --socket "$work/agent.sock" --spool "$work/spool" \
		--engine "$1" --netns-dir "$2" --quota 20G 2>"$work/agent.err" &
	started+=($!)
	until_ok 10 call GET /info || { cat "$work/agent.err" >&2; return 1; }
	agent=$(<"/proc/$!/task/$!/children")
	agent=${agent// /}
	node=$(call GET /info | jq -r .node_id)
}

stop_agent() {
	local pid=${started[-1]}
	kill "$pid"
	wait "$pid" || true
	ended "$pid"
}

# call METHOD PATH [BODY]
call() {
	curl -sS --fail-with-body -X "$1" --unix-socket "$work/agent.sock" ${3:+--data-binary "$3"} "http://agent/v1$2"
}

# targets N: bare namespaces 1 to N, as the arm request has them
targets() {
	seq -f '%05.0f' "$1" | jq -Rsc 'split("\n")[:-1] | map({ key: ("bench." + .), kind: "network", label: .,
		networks: [{ name: "bench", id: ("bench" + . + "00000000000000000000000") }] })'
}

# arm TARGETS: the capture runs; sets capture (its id), the report is in $work/armed. In two steps for those who take
# the time of the second, which has its answer at `answered`.
arm() { prepare "$1"; arm_prepared; }
prepare() {
	capture=$(date -u +%Y%m%dT%H%M%SZ)-$(printf '%06x' $((SRANDOM & 0xffffff)))
	arm_body "$1" >"$work/arm"
}
arm_prepared() {
	call POST /captures "@$work/arm" >"$work/armed"
	answered=$(date +%s%N)
	jq -e 'all(.targets[]; .state == "armed")' "$work/armed" >/dev/null ||
		{ jq -c '.targets[] | select(.state != "armed") | [.key, .error]' "$work/armed" | head -n 3 >&2; return 1; }
}

arm_body() {
	jq -nc --arg id "$capture" --arg node "$node" --argjson targets "$1" '{ version: 1, id: $id, node_id: $node,
		node_name: "bench", attached: false, lease_ms: 60000, deadline_ms: 300000, filter: null, interface: null,
		snaplen: 262144, format: "pcapng", limits: { max_bytes: null, max_packets: null }, targets: $targets,
		hosts: [], context: {} }'
}

# disarm: the report is in $work/report, the files are whole
disarm() { call POST "/captures/$capture/stop" '{"reason":"stopped"}' >"$work/report"; }
forget() { call DELETE "/captures/$capture"; }
