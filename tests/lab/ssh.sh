# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ssh.sh - the lab's sshd, its users, and a laptop that reaches the manager alone (sourced by lab)
#
# Users of each node, all let in by the one key: root; admin (group docker, sudo without a password); asks (group docker,
# sudo that asks for one that nobody has); plain (neither Docker nor sudo). Each node has a host key of its own.

make_keys() {
	ssh-keygen -q -t ed25519 -N '' -C "$LAB_NAME" -f "$LAB_DIR/share/id"
	touch "$LAB_DIR/share/known_hosts"
	ln -s share/id share/id.pub share/known_hosts "$LAB_DIR"
}

# Part of a node's furniture. A '*' is no password, a '!' would be a locked account.
add_users() {
	local root=$1 user number=2000
	for user in admin asks plain; do
		echo "$user:x:$number:$number::/home/$user:/bin/bash" >>"$root/etc/passwd"
		echo "$user:x:$number:" >>"$root/etc/group"
		echo "$user:*:19000:0:99999:7:::" >>"$root/etc/shadow"
		install -d -m 700 -o "$number" -g "$number" "$root/home/$user"
		number=$((number + 1))
	done
	echo 'admin:100000:65536' | tee "$root/etc/subuid" >"$root/etc/subgid"
	sed -i 's/^docker:.*/&,admin,asks/; s/:,/:/' "$root/etc/group"
	printf '%s\n' 'root ALL=(ALL) ALL' 'admin ALL=(ALL) NOPASSWD: ALL' 'asks ALL=(ALL) ALL' >"$root/etc/sudoers"
}

host_key() {
	local key=$LAB_DIR/share/host_key.$1
	[ -e "$key" ] || ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$key"
	echo "$key"
}

# sshd NODE [OPTION=VALUE...]: options stand before the defaults, and sshd takes the first of each
sshd() {
	local n=${1:-} share=$LAB_DIR/share config key
	known "$n"
	shift
	config=$share/sshd_config.$n
	key=$(host_key "$n")
	nosshd "$n"
	{
		printf '%s\n' "${@/=/ }"
		printf '%s\n' "HostKey $key" "AuthorizedKeysFile $share/id.pub" 'StrictModes no' 'UsePAM no' \
			'PermitRootLogin prohibit-password' 'PidFile /run/sshd.pid' "SetEnv PATH=$PATH"
	} >"$config"
	(run_on "$n" /usr/sbin/sshd -f "$config" -E /run/sshd.log)
	# it goes to the background, listens, and then writes this
	(run_on "$n" sh -c 'for i in $(seq 500); do [ ! -s /run/sshd.pid ] || exit 0; sleep 0.01; done; exit 1') ||
		die "sshd does not listen on $n"
	grep -q "^$n," "$share/known_hosts" ||
		echo "$n,$(address "$n") $(command cut -d' ' -f1,2 "$key.pub")" >>"$share/known_hosts"
}

# nosshd NODE [--sessions]: no more logins; those that are stay, or die with all that sshd runs for them
nosshd() {
	local n=${1:-}
	known "$n"
	(run_on "$n" sh -c '[ ! -e /run/sshd.pid ] || kill "$(cat /run/sshd.pid)"; rm -f /run/sshd.pid') 2>/dev/null || true
	[ "${2:-}" = --sessions ] || return 0
	# one may end by itself between the list and the signal, or begin another meanwhile
	(run_on "$n" sh -c 'while pids=$(pidof sshd); do kill -KILL $pids; done') 2>/dev/null || true
}

# The node has another host key from now on, and who knew the old one is not told.
rekey() {
	known "${1:-}"
	rm -f "$LAB_DIR/share/host_key.$1"{,.pub}
	sshd "$@"
}

# ---- the laptop: a network namespace with a wire to the first manager and no route beyond

laptop_link=198.51.100

lay_laptop() {
	local ns=$LAB_NAME-laptop m=$LAB_NAME-node1 home=$LAB_DIR/laptop
	ip netns add "$ns"
	ip link add eth0 netns "$ns" type veth peer name laptop netns "$m"
	ip -n "$m" addr add $laptop_link.1/24 dev laptop
	ip -n "$m" link set laptop up
	ip -n "$ns" link set lo up
	ip -n "$ns" addr add $laptop_link.2/24 dev eth0
	ip -n "$ns" link set eth0 up
	mkdir -p "$home" && mkdir -m 700 "$home/.ssh"
	install -m 600 "$LAB_DIR/share/id" "$home/.ssh/id_ed25519"
	printf '%s\n' '127.0.0.1 localhost' "$laptop_link.1 node1" >"$home/hosts"
	sed "s|^root:.*|root:x:0:0:root:$home:/bin/bash|" /etc/passwd >"$home/passwd"
	sed "s/^node1,/node1,$laptop_link.1,/" "$LAB_DIR/share/known_hosts" >"$home/.ssh/known_hosts"
}

# laptop CMD...: there, at home in LAB_DIR/laptop; known_hosts is a copy that is made by the first call
laptop() {
	[ -e "/run/netns/$LAB_NAME-laptop" ] || lay_laptop
	exec nsenter --net="/run/netns/$LAB_NAME-laptop" unshare --mount "$self" at_laptop "$@"
}

at_laptop() {
	local home=$LAB_DIR/laptop
	mount --bind "$home/hosts" /etc/hosts
	mount --bind "$home/passwd" /etc/passwd
	mount -t tmpfs tmpfs /run
	export HOME=$home
	cd "$home"
	exec "$@"
}
