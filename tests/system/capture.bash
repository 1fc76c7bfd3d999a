# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# capture.bash - for the files that capture on the lab (loaded after helpers)
#
#   capture_lab [REPLICAS [RATE]]   lab, workload, agents deployed; for setup_file
#   start NAME CMD...       runs CMD in the background: output in $BATS_TEST_TMPDIR/NAME.out and .err,
#                           number in $NAME; CMD may begin with run_on or swarmcap
#   stop NAME [STATUS [SIGNAL]]   signals it (INT) and waits; fails unless it ends with STATUS (0)
#   ends NAME [STATUS]      the same without a signal
#   armed NAME              waits until the capture that was started as NAME tells that it captures
#   unpack ARCHIVE          into a fresh folder, named in $unpacked; `manifest` reads its manifest
#   manifest JQ             jq -r on the unpacked manifest
#   file_of KEY             the unpacked capture file of a task: file_of web.3, file_of client@node2
#   pid_of TASK             sets node and pid: of the task's first process, as its node numbers it
#   id_in FILE              the first capture id that a file names

capture_lab() {
	lab_up 3
	lab workload "${1:-6}" "${2:-10}"
	lab image "$BUILD/image.tar"
	swarmcap deploy --image swarmcap-agent:latest
}

start() {
	local as=$1 cmd=("${@:2}")
	case $2 in
	run_on) cmd=("$top/tests/lab/lab" exec "${@:3}") ;;
	swarmcap) cmd=("$top/tests/lab/lab" exec "${NODE:-node1}" "$BUILD/swarmcap" "${@:3}") ;;
	esac
	# not only by the child: armed must not read what an earlier one of that name wrote
	: >"$BATS_TEST_TMPDIR/$as.err"
	env --default-signal=INT,QUIT "${cmd[@]}" >"$BATS_TEST_TMPDIR/$as.out" 2>"$BATS_TEST_TMPDIR/$as.err" 3>&- &
	printf -v "$as" %s $!
}

stop() {
	kill -"${3:-INT}" "${!1}" || true
	ends "$1" "${2:-0}"
}

ends() {
	local status=0
	wait "${!1}" || status=$?
	[ "$status" -eq "${2:-0}" ] || { echo "$1 ended with $status" >&2; cat "$BATS_TEST_TMPDIR/$1.err" >&2; return 1; }
}

armed() {
	wait_for "${2:-60}" grep -q '^swarmcap: capturing [0-9]* of [0-9]* tasks' "$BATS_TEST_TMPDIR/$1.err" ||
		{ cat "$BATS_TEST_TMPDIR/$1.err" >&2; return 1; }
}

unpack() {
	unpacked=$(mktemp -d "$BATS_TEST_TMPDIR/unpacked.XXXXXX")
	case $1 in
	*.zip) unzip -q "$1" -d "$unpacked" ;;
	*.tar.zst) zstd -dcq "$1" | tar -x -C "$unpacked" ;;
	*) tar -xf "$1" -C "$unpacked" ;;
	esac
	unpacked=$(echo "$unpacked"/*)
}

manifest() { jq -r "$1" "$unpacked/manifest.json"; }

file_of() {
	local task node
	read -r task node _ < <(find_task "$1")
	manifest ".targets[] | select(.task_id == \"${task##*.}\" and .node == \"$node\") | .files[0].name" |
		sed "s|^|$unpacked/|"
}

# shellcheck disable=SC2034 # node and pid are for the caller
pid_of() {
	local container
	read -r _ node container < <(find_task "$1")
	pid=$(docker_on "$node" inspect -f '{{.State.Pid}}' "$container")
}

id_in() { grep -oE '[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}' "$1" | head -n 1; }
