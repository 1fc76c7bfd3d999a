# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# node.sh - one node of the lab: its wires, its root, its power switch (sourced by lab)

# ---- wires: a bridge in the hub's namespace, one veth for each node

lay_hub() {
	ip netns add "$hub"
	ip -n "$hub" link add br0 type bridge
	ip -n "$hub" link set br0 up
}

wire() {
	local n=$1
	ip -n "$hub" link del "$n" 2>/dev/null || true
	ip netns add "$LAB_NAME-$n"
	ip link add "$n" netns "$hub" type veth peer name eth0 netns "$LAB_NAME-$n"
	ip -n "$hub" link set "$n" master br0 up
	ip -n "$LAB_NAME-$n" link set lo up
	ip -n "$LAB_NAME-$n" addr add "$(address "$n")/24" dev eth0
	ip -n "$LAB_NAME-$n" link set eth0 up
}

cut() { known "${1:-}"; ip -n "$hub" link set "$1" down; }
heal() { known "${1:-}"; ip -n "$hub" link set "$1" up; }

# ---- cgroups: LAB_NAME/NODE/system for what runs on the node, LAB_NAME/NODE/containers below it.
# Version 1 has a tree for each controller, version 2 has one: nothing else differs here.

if [ -e /sys/fs/cgroup/cgroup.procs ]; then
	cgroup_trees=(/sys/fs/cgroup)
else
	cgroup_trees=(/sys/fs/cgroup/*/)
fi

# This process becomes the node's. A new cpuset is empty and takes none: there it stays where it was.
join_cgroups() {
	local tree
	for tree in "${cgroup_trees[@]}"; do
		[ -d "$tree/$LAB_NAME/$1/system" ] || mkdir -p "$tree/$LAB_NAME/$1/system"
		echo "$BASHPID" >"$tree/$LAB_NAME/$1/system/cgroup.procs" || true
	done 2>/dev/null
}

# The last process may still be on its way out.
remove_cgroups() {
	local tree
	for tree in "${cgroup_trees[@]}"; do
		for _ in $(seq 100); do
			[ -d "$tree/$1" ] || break
			find "$tree/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.02
		done
	done
}

# ---- power

new_node() {
	mkdir -p "$LAB_DIR/$1"/{root,run,disk/upper,disk/work,disk/data}
	ln -s run/docker.sock "$LAB_DIR/$1/docker.sock"
	switch_on "$1"
}

# Descriptors above 2 are closed: a bats test would wait for them for ever.
switch_on() {
	local n=$1
	wire "$n"
	rm -rf "$LAB_DIR/$n"/run
	mkdir "$LAB_DIR/$n/run"
	(
		join_cgroups "$n"
		exec setsid nsenter --net="/run/netns/$LAB_NAME-$n" \
			unshare --uts --ipc --mount --pid --fork "$self" boot "$n"
	) >>"$LAB_DIR/$n/log" 2>&1 </dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

# The engine listens before it is ready, and answers the first request when it is.
wait_engine() {
	local n=$1 sock=$LAB_DIR/$1/docker.sock
	for _ in $(seq 200); do
		[ ! -S "$sock" ] || ! curl -sf -m 30 --unix-socket "$sock" -o /dev/null http://lab/_ping || return 0
		sleep 0.05
	done
	tail -n 5 "$LAB_DIR/$n/log" >&2 || true
	die "the engine of $n does not answer, see $LAB_DIR/$n/log"
}

power_cut() {
	known "${1:-}"
	empty_netns "$LAB_NAME-$1"
	ip -n "$hub" link del "$1" 2>/dev/null || true
	ip netns del "$LAB_NAME-$1" 2>/dev/null || true
	rm -f "$LAB_DIR/$1/init"
	remove_cgroups "$LAB_NAME/$1"
}

start() {
	known "${1:-}"
	! running "$1" || die "$1 is running"
	switch_on "$1"
	wait_engine "$1"
}

# Kill all in a network namespace until nothing is left. Process 1 of the node is among them, and takes along
# what has another network namespace: the containers.
empty_netns() {
	local pids
	for _ in $(seq 500); do
		pids=$(ip netns pids "$1" 2>/dev/null) || return 0
		[ -n "$pids" ] || return 0
		# shellcheck disable=SC2086 # one word for each process
		kill -KILL $pids 2>/dev/null || true
		sleep 0.02
	done
	die "processes in $1 do not die: $pids"
}

# ---- inside: process 1 of a node

# Process 1 sees the machine's /proc until it mounts its own: so it knows its number out there.
boot() {
	local n=$1 pid
	read -r pid _ </proc/self/stat
	echo "$pid" >"$LAB_DIR/$n/init"
	hostname "$n"
	mount_root "$n" "$LAB_DIR/$n/root" "$LAB_DIR/$n/disk"
	cd "$LAB_DIR/$n/root"
	pivot_root . .
	umount -l .
	cd /
	mount --make-rshared /
	while :; do
		dockerd || true
		sleep 0.2
	done
}

# The engine's data lie outside the overlay, because overlay2 cannot work upon one.
mount_root() {
	local n=$1 root=$2 disk=$3 dir
	mount -t overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" overlay "$root"
	[ -e "$disk/furnished" ] || furnish "$n" "$root"
	touch "$disk/furnished"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	mount --bind "$LAB_DIR/$n/run" "$root/run"
	mkdir -p "$root"/run/{lock,sshd} "$root/var/lib/docker"
	mount --bind "$disk/data" "$root/var/lib/docker"
	mkdir -p "$root$LAB_DIR"
	mount -t tmpfs tmpfs "$root$LAB_DIR"
	ln -s share/id share/id.pub share/known_hosts "$root$LAB_DIR"
	show "$root" rw "$LAB_DIR/share"
	IFS=: read -ra dir <<<"$top:${BUILD:-}:${LAB_BIND:-}"
	for dir in "${dir[@]}"; do [ ! -d "$dir" ] || show "$root" ro "$dir"; done
}

# The same folder under the same path
show() {
	local root=$1 mode=$2 dir=$3
	mkdir -p "$root$dir"
	mount --bind "$dir" "$root$dir"
	mount -o "remount,bind,$mode" "$root$dir"
}

# What makes the node a machine of its own, once in its life. A name that it cannot resolve fails at once.
furnish() {
	local n=$1 root=$2 i
	echo "$n" >"$root/etc/hostname"
	rm -f "$root/etc/resolv.conf"
	echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
	{
		echo '127.0.0.1 localhost'
		for i in {1..50}; do echo "$LAB_NET.$((10 + i)) node$i"; done
	} >"$root/etc/hosts"
	mkdir -p "$root/etc/docker"
	cat >"$root/etc/docker/daemon.json" <<-END
		{ "storage-driver": "overlay2",${LAB_ENGINE:+ $LAB_ENGINE,}
		  "exec-opts": ["native.cgroupdriver=cgroupfs"],
		  "cgroup-parent": "/$LAB_NAME/$n/containers" }
	END
	add_users "$root"
	# nor what the machine's root has a shell do: every ssh command would begin with it
	rm -rf "$root/root"/{.ssh,.bashrc,.profile,.bash_profile,.bash_login,.bash_logout}
	mkdir -m 700 "$root/root/.ssh"
	printf '%s\n' "Host node* $LAB_NET.*" "IdentityFile $LAB_DIR/id" "UserKnownHostsFile $LAB_DIR/known_hosts" \
		>"$root/root/.ssh/config"
}

# ---- from outside

run_on() {
	local n=${1:-}
	known "$n"
	shift
	running "$n" || die "$n is not running"
	join_cgroups "$n"
	exec "$LAB_DIR/enter" "$(<"$LAB_DIR/$n/init")" "$@"
}
