# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# helpers.bash - what every bats file here stands on. A file's tests share one lab:
#
#   load helpers
#   setup_file() { lab_up 3; lab workload; }     any arguments of `lab up`
#   teardown_file() { lab_down; }
#
#   @test "a capture of web" {
#       run -0 swarmcap capture web -d 2s -o "$SHARE/web.tar"
#       tar -tf "$SHARE/web.tar"
#   }
#
# Variables
#   top, BUILD      the source tree, and what to test ($top/build)
#   LAB_DIR, LAB_NAME, LAB_NET   this file's lab; two files can run side by side
#   SHARE           a folder that all nodes and the machine see under this path: write archives here
#
# Functions
#   lab ARGS...             tests/lab/lab
#   run_on NODE CMD...      CMD on a node; stdin, signals and status pass through
#   swarmcap ARGS...        the built program on node1; NODE=node2 swarmcap … elsewhere
#   docker_on NODE ARGS...  the docker client on a node's engine
#   wait_for SECONDS CMD... until CMD succeeds; fails, and says so, when it never does
#   background CMD...       starts CMD in the background; its output grows in $BATS_TEST_TMPDIR/out and err
#   finish [SIGNAL]         sends SIGNAL to it and waits for its end; sets status, output and stderr as `run` does
#   service NAME REPLICAS ARG...  one more service of the workload image on network app, running when it returns
#   placed SERVICE          its running tasks: NAME NODE CONTAINER-ID per line
#   node_of TASK            the node that runs TASK: web.3, or client@node2
#   in_task TASK CMD...     CMD with the node's programs in the task's network namespace: in_task web.3 tcpdump …
#   exec_task TASK CMD...   docker exec in the task: exec_task client@node2 /workload send web 80 1 100

bats_require_minimum_version 1.5.0

top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
export BUILD=${BUILD:-$top/build}
name=${BATS_TEST_FILENAME##*/}
export LAB_NAME=${LAB_NAME:-sct$(tr -cd '[:lower:]' <<<"${name%.bats}")}
export LAB_DIR=${LAB_DIR:-/tmp/swarmcap-$LAB_NAME}
export LAB_NET=${LAB_NET:-10.99.0}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export SHARE=$LAB_DIR/share
# what a person has who runs a program by hand; a test that wants CI says so
unset CI
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION

lab() { "$top/tests/lab/lab" "$@"; }

# What a sanitizer finds fails the file (Makefile, SAN): of a coordinator it lies in the share, whatever became of its
# exit status and its words in the test, of an agent in its spool.
lab_up() {
	local options
	for options in ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS; do
		[ -z "${!options:-}" ] || export "$options=${!options}:log_path=$SHARE/sanitizer"
	done
	lab down && lab up "$@" >/dev/null
}

lab_down() {
	local found
	found=$(cat "$SHARE"/sanitizer.* "$LAB_DIR"/node*/disk/data/volumes/*/_data/sanitizer.* 2>/dev/null)
	lab down
	[ -z "$found" ] || { echo "$found" >&2; return 1; }
}

# A test that failed shows what its programs said last, and ends them, or those behind it fail for what is left of it;
# a file with a teardown of its own calls it there.
teardown() { after_failure; }

after_failure() {
	local jobs
	[ -z "${BATS_TEST_COMPLETED:-}" ] || return 0
	find "$BATS_TEST_TMPDIR" -maxdepth 1 -name '*err' -size +0 -printf '-- %f\n' -exec tail -n 20 {} \;
	mapfile -t jobs < <(jobs -p)
	[ "${#jobs[@]}" -eq 0 ] || kill -TERM "${jobs[@]}" 2>/dev/null || true
	wait_for 30 none_alive "${jobs[@]}" || kill -KILL "${jobs[@]}" 2>/dev/null || true
}
none_alive() { [ $# -eq 0 ] || ! kill -0 "$@"; }

run_on() { lab exec "$@"; }
docker_on() { lab docker "$@"; }
swarmcap() { lab exec "${NODE:-node1}" "$BUILD/swarmcap" "$@"; }

# Between two tries it rests for 0.1 s, or as long as a try takes: what it waits for needs the processors, too.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000)) seconds=$1 began now rest
	shift
	began=${EPOCHREALTIME/./}
	until "$@" >/dev/null 2>&1; do
		now=${EPOCHREALTIME/./}
		if [ "$now" -gt "$end" ]; then
			echo "not within $seconds s: $*" >&2
			return 1
		fi
		rest=$((now - began > 100000 ? now - began : 100000))
		sleep "$((rest / 1000000)).$(printf %06d $((rest % 1000000)))"
		began=${EPOCHREALTIME/./}
	done
}

# A shell starts background jobs with SIGINT ignored, so this asks for it to be as on a terminal. The job
# must not hold bats' own descriptor 3.
background() {
	local cmd=("$@")
	case $1 in
	lab) cmd=("$top/tests/lab/lab" "${@:2}") ;;
	run_on) cmd=("$top/tests/lab/lab" exec "${@:2}") ;;
	docker_on) cmd=("$top/tests/lab/lab" docker "${@:2}") ;;
	swarmcap) cmd=("$top/tests/lab/lab" exec "${NODE:-node1}" "$BUILD/swarmcap" "${@:2}") ;;
	esac
	env --default-signal=INT,QUIT "${cmd[@]}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	background=$!
}

finish() {
	[ $# -eq 0 ] || kill -s "$1" "$background"
	status=0
	wait "$background" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/out")
	# shellcheck disable=SC2034 # for the test
	stderr=$(<"$BATS_TEST_TMPDIR/err")
}

service() { lab service "$@"; }

placed() {
	local task node
	while read -r task node; do
		echo "$task $node $(docker_on "$node" ps -q --no-trunc --filter "name=^/$task\$" </dev/null)"
	done < <(ask_leader service ps "$1" --no-trunc --filter desired-state=running --format '{{.Name}}.{{.ID}} {{.Node}}')
}

# A question to the Swarm, asked again for a while when it has no leader at the moment
ask_leader() {
	local said
	# of a file: its setup asks, too
	said=$(mktemp "$BATS_FILE_TMPDIR/asked.XXXXXX")
	for _ in {1..10}; do
		docker_on node1 "$@" 2>"$said" && break
		grep -qE 'DeadlineExceeded|no leader|does not have a leader' "$said" || break
		sleep 2
	done
	cat "$said" >&2
	rm -f "$said"
}

# web.3 or client@node2 -> its line of placed
find_task() {
	case $1 in
	*@*) placed "${1%@*}" | awk -v n="${1#*@}" '$2 == n { print; exit }' ;;
	*) placed "${1%.*}" | grep -m 1 "^${1//./\\.}\." ;;
	esac
}

node_of() { find_task "$1" | cut -d' ' -f2; }

in_task() {
	local node container pid
	read -r _ node container < <(find_task "$1")
	pid=$(docker_on "$node" inspect -f '{{.State.Pid}}' "$container")
	run_on "$node" nsenter -t "$pid" -n "${@:2}"
}

exec_task() {
	local node container
	read -r _ node container < <(find_task "$1")
	docker_on "$node" exec "$container" "${@:2}"
}
