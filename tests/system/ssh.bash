# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ssh.bash - for the files that reach nodes by ssh (loaded after helpers and capture)
#
#   ssh_lab [REPLICAS]      lab of three nodes with sshd and workload, no agent; notes the images of each node
#   deployed                agents on the nodes that are active; credentials in $SHARE/creds
#   image_known NODE...     load or remove images on purpose: this is what nothing_left compares with from now on
#   nothing_left [NODE...]  within 10 s no node (all) has a process, a login, a container, a file or a socket of ours
#                           but the deployed agent, nor an image more or less; says what there is
#   from_laptop ARGS...     swarmcap on the laptop, over ssh://admin@node1
#   as_user [USER [NODE]]   node1's ssh logs in as USER from now on, everywhere or on NODE; elsewhere as root
#   numbered FILE           the numbers of the requests that `workload send` made, in a file's order
#   tcpdump_image TAR       the root of an image that has the machine's tcpdump
#   missing_words NODE      what the manifest says of a node's tasks that are missing
#   window_ms               the unpacked capture's window; it begins and ends on one day
#   calm                    ends what a failed test left running here, and undoes as_user; for teardown
#   gone_from NODE...       as nothing_left, once, now

export SWARMCAP_CREDENTIALS=$SHARE/creds

ssh_lab() {
	local n
	lab_up 3
	for n in node1 node2 node3; do lab sshd $n; done
	lab workload "${1:-3}" 10
	image_known node1 node2 node3
}

deployed() { swarmcap -q deploy --image swarmcap-agent:latest; }

# the engine's API without the docker client, which takes its time to start
ask_engine() { curl -sf --unix-socket "$LAB_DIR/$1/docker.sock" "http://lab/$2"; }
images_of() { ask_engine "$1" 'images/json?all=1' | jq -r '.[] | .Id + " " + ((.RepoTags // []) | join(" "))' | sort; }
image_known() {
	local n
	for n; do images_of "$n" >"$BATS_FILE_TMPDIR/images.$n"; done
}

# What runs on a node outside containers, beside the engine and the sshd that listens; then files of ours
# shellcheck disable=SC2016 # for the node's shell
strangers() {
	run_on "$1" env LAB="$LAB_DIR" TOP="$top" sh -c '
		grep -L /containers/ /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 | xargs -r ps -ww -o pid=,ppid=,stat=,comm=,args= -p |
			awk -v me=$$ '\''$1 == 1 || $1 == me || $2 == me || $3 ~ /Z/ || /sshd: [^ ]*sbin\/sshd/ { next }
				$4 !~ /^(dockerd|containerd|containerd-shim|docker-proxy|runc)$/ { print "process " substr($0, 1, 120) }'\''
		find /var/tmp /tmp /run /dev/shm /root /home/* -xdev -maxdepth 2 -iname "*swarmcap*" ! -path "$LAB*" ! -path "$TOP*" | sed "s/^/file /"' 2>/dev/null
}

gone_from() {
	local n left
	left=$(for n; do
		strangers "$n" | sed "s/^/$n /"
		ask_engine "$n" 'containers/json?all=1' |
			jq -r --arg n "$n" '.[] | select(.Labels | has("com.docker.swarm.task") | not) | "\($n) container \(.Names) \(.Image) \(.Status)"'
		images_of "$n" | diff "$BATS_FILE_TMPDIR/images.$n" - | grep '^[<>]' | sed "s/^/$n image /"
	done) || true
	[ -z "$left" ] || { echo "$left"; return 1; }
}

nothing_left() {
	[ $# -gt 0 ] || set -- node1 node2 node3
	wait_for 60 gone_from "$@" || gone_from "$@"
}

from_laptop() { lab laptop "$BUILD/swarmcap" -H ssh://admin@node1 "$@"; }

as_user() {
	local hosts='*'
	[ -z "${2:-}" ] || hosts="$2 $(lab address "$2")"
	printf '%s\n' "Host $hosts" "User ${1:-root}" 'Host *' "IdentityFile $LAB_DIR/id" "UserKnownHostsFile $LAB_DIR/known_hosts" |
		run_on node1 sh -c 'cat >/root/.ssh/config'
}

numbered() {
	tshark -r "$1" -Y http.request -T fields -e http.request.uri 2>/dev/null | sed -nE 's|^/([0-9]+)$|\1|p'
}

tcpdump_image() {
	local root=$BATS_FILE_TMPDIR/tcpdump file
	mkdir -p "$root/usr/bin" "$root/etc" "$root/tmp" "$root/dev" "$root/proc" "$root/sys"
	cp /usr/bin/tcpdump "$root/usr/bin"
	for file in $(ldd /usr/bin/tcpdump | grep -oE '/[^ ]+'); do
		mkdir -p "$root${file%/*}"
		cp -L "$file" "$root$file"
	done
	grep -E '^(root|tcpdump):' /etc/passwd >"$root/etc/passwd"
	grep -E '^(root|tcpdump):' /etc/group >"$root/etc/group"
	# Debian's tcpdump becomes another user, for which a helper has no capability; other builds (Alpine's) do not
	cc -shared -fPIC -o "$root/same-user.so" -x c - <<<'int initgroups(void *n, int g) { return 0; } int setgid(int g) { return 0; } int setuid(int u) { return 0; }'
	echo /same-user.so >"$root/etc/ld.so.preload"
	tar -C "$root" -cf "$1" .
}

missing_words() { manifest ".missing[] | select(.node == \"$1\") | .error"; }

window_ms() {
	manifest '.window | [.start, .stop] | map(.[20:23] as $ms | .[11:19] | split(":") | map(tonumber)
		| (.[0] * 3600 + .[1] * 60 + .[2]) * 1000 + ($ms | tonumber)) | .[1] - .[0]'
}

calm() {
	local pids
	pids=$(jobs -p)
	# shellcheck disable=SC2086 # one word for each process
	[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
	as_user
	# a hired agent keeps what a killed coordinator did not fetch, and a tcpdump alone in a helper goes on
	for pids in node1 node2 node3; do
		run_on $pids sh -c 'pkill -KILL -f "[s]warmcap-agent --temporary"; rm -rf /var/tmp/swarmcap-* /var/lib/swarmcap/hired-*
			docker ps -aq --filter label=swarmcap.helper | xargs -r docker rm -f >/dev/null' || true
	done
}
