# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# services.sh - what runs on the lab (sourced by lab)
#
# `web` answers HTTP on port 80 with "HOSTNAME TASK N"; `client`, one task on each node, sends it
# numbered requests. Both on the overlay network `app`. The kernel may lack IPVS: no VIP.

workload() {
	local replicas=${1:-6} rate=${2:-10} m tar=${BUILD:-$top/build}/workload.tar
	[ -f "$tar" ] || make -s -C "$top" -f tests/lab/Makefile.inc "BUILD=${BUILD:-build}" "${BUILD:-build}/workload.tar"
	image "$tar"
	m=$(manager)
	engine "$m" network create --driver overlay --attachable app >/dev/null
	serve_as "$m" web --replicas "$replicas" --hostname '{{.Task.Name}}' -- serve 80
	serve_as "$m" client --mode global --hostname 'client-{{.Node.Hostname}}' -- client web 80 "$rate"
	wait_service "$m" web
	wait_service "$m" client
}

# serve_as MANAGER NAME OPTION... -- ARG...
serve_as() {
	local m=$1 name=$2 options=()
	shift 2
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	engine "$m" service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr \
		--env 'TASK={{.Task.Name}}' --stop-grace-period 1s --restart-delay 100ms --name "$name" "${options[@]}" \
		swarmcap-workload:latest "$@" >/dev/null
}

# Until as many tasks run as are wanted
wait_service() {
	local have
	for _ in $(seq 300); do
		have=$(engine "$1" service ls --filter "name=$2" --format '{{.Name}} {{.Replicas}}' | awk -v s="$2" '$1 == s { print $2 }')
		[ -z "$have" ] || [ "$have" = 0/0 ] || [ "${have%/*}" != "${have#*/}" ] || return 0
		sleep 0.1
	done
	die "service $2 does not run: $have tasks"
}
