# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# services.sh - what runs on the lab (sourced by lab)
#
# `web` answers HTTP on port 80 with "HOSTNAME TASK N"; `client`, one task on each node, sends it
# numbered requests. Both on the overlay network `app`. The kernel may lack IPVS: no VIP.

workload() {
	local replicas=${1:-6} rate=${2:-10} m tar=${BUILD:-$top/build}/workload.tar
	[ -f "$tar" ] || "$here/mkworkload" "$tar"
	image "$tar"
	m=$(manager)
	engine "$m" network create --driver overlay --attachable app >/dev/null
	create_service "$m" web --replicas "$replicas" swarmcap-workload serve 80
	create_service "$m" client --mode global --hostname 'client-{{.Node.Hostname}}' swarmcap-workload client web 80 "$rate"
	wait_service "$m" web
	wait_service "$m" client
}

# service NAME REPLICAS ARG...: one more service of the workload image
service() {
	local m
	m=$(manager)
	create_service "$m" "$1" --replicas "$2" swarmcap-workload "${@:3}"
	wait_service "$m" "$1"
}

create_service() {
	local m=$1 name=$2
	shift 2
	engine "$m" service create --detach --quiet --no-resolve-image --network app --endpoint-mode dnsrr \
		--env 'TASK={{.Task.Name}}' --hostname '{{.Task.Name}}' --stop-grace-period 1s --restart-delay 100ms \
		--name "$name" "$@" >/dev/null
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
