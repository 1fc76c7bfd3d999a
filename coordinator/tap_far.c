/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_far.c - the script that captures one target on a node by nsenter and tcpdump; pure
 *
 * Nothing of a user's is ever part of the script: ids, the interface and the filter are its
 * arguments, each one word in quotes.
 *
 * The namespace is held by descriptor 9 before docker is asked a second time: if the answer is
 * the same, the process was the container's when the descriptor was opened, and a process id that
 * is used anew can no longer lead elsewhere.
 *
 * tcpdump hands packets over up to a second late (its block time-out), and gives up what is in
 * the open block when it is ended. So the time of the order is said, the block is waited for, and
 * who reads the stream leaves out what is stamped later.
 */
#include "tap_far.h"

#include <string.h>

#include "buf.h"
#include "remote.h"

#define BUFFER_KIB "8192"	/* of tcpdump's ring; its default of 2 MiB loses bursts */

#define PATHS "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; " \
	      "LC_ALL=C; export PATH LC_ALL; "

const char tap_far_check[] =
	PATHS
	"bad=0; "
	"for p in docker nsenter tcpdump timeout dd sed; do "
		"command -v $p >/dev/null 2>&1 || { echo \"$p: not found\" >&2; bad=1; }; done; "
	"[ $bad = 0 ] || exit 1; "
	"u=$(id -u); echo uid $u; "
	"v=$(tcpdump --version 2>&1 | head -n 1); echo \"version tcpdump ${v#tcpdump version }\"; "
	"if [ \"$u\" = 0 ]; then docker version >/dev/null; "
	"else sudo -n sh -c \"docker version >/dev/null\"; fi";

/* $1 container, $2 task or "", $3 seconds, $4 $SSH_CONNECTION, $5 filter or "", then tcpdump's. */
static const char script[] =
	PATHS
	"trap \"\" PIPE; "
	"say() { echo \"swarmcap: $*\" >&2; }; "
	"quit() { say gone \"$1\"; say end ended 1; exit 1; }; "
	"id=$1; task=$2; last=$(($(date +%s) + $3)); own=$4; filter=$5; shift 5; "
	"look() { docker inspect --type container -f \"{{.State.Running}} {{.State.Pid}} "
		"{{.State.StartedAt}} {{index .Config.Labels \\\"com.docker.swarm.task.id\\\"}}\" "
		"\"$id\"; }; "
	"a=$(look) || { say end ended 1; exit 1; }; "
	"pid=${a#* }; pid=${pid%% *}; "
	"case $a in \"true \"*) ;; *) quit \"it is not running\";; esac; "
	"[ -z \"$task\" ] || [ \"$task\" = \"${a##* }\" ] || quit \"it is another task\"; "
	"[ -r /proc/$pid/ns/net ] || quit \"its process is gone\"; "
	"exec 9</proc/$pid/ns/net; "
	"[ \"$a\" = \"$(look)\" ] || quit \"it was restarted\"; "
	"ns=$(readlink /proc/$$/fd/9); "
	"if [ \"$ns\" = \"$(readlink /proc/$$/ns/net)\" ]; then "
		"c=${own%% *}; p=${own#* }; p=${p%% *}; "
		"f=\"not (tcp port $p and host $c)\"; "
		"filter=\"$f${filter:+ and ($filter)}\"; "
		"say note \"in the host network: the ssh connection to $c port $p is left out\"; fi; "
	"v=$(tcpdump --version 2>&1 | head -n 1); say version \"tcpdump ${v#tcpdump version }\"; "
	"nano=--time-stamp-precision=nano; "
	"if tcpdump --help 2>&1 | grep -q time-stamp-precision; then :; else nano=-n; "
		"say note \"the tcpdump of the node knows microseconds only\"; fi; "
	"inside() { nsenter --net=/proc/$$/fd/9 \"$@\"; }; "
	"links() { inside ip -o link 2>/dev/null | sed \"s/^/swarmcap: link /\" >&2; "
		"inside ip -o addr 2>/dev/null | sed \"s/^/swarmcap: addr /\" >&2; say links; }; "
	"command -v ip >/dev/null 2>&1 || "
		"say note \"no ip on the node: interfaces have numbers instead of names\"; "
	"links; "
	"set -- $nano \"$@\" -w -; [ -z \"$filter\" ] || set -- \"$@\" -- \"$filter\"; "
	"trap \"why=signal\" HUP INT TERM; "
	"say time $(date +%s%N); "
	"nsenter --net=/proc/$$/fd/9 tcpdump \"$@\" </dev/null 9<&- & t=$!; "
	"exec >&2; "
	"up() { l=; { read -r l </proc/$t/stat; } 2>/dev/null; "
		"case $l in \"\"|*\") Z \"*) return 1;; esac; }; "
	"alive() { [ \"$(readlink /proc/$pid/ns/net 2>/dev/null)\" = \"$ns\" ]; }; "
	"nap() { sleep $1 2>/dev/null || sleep $2; }; "
	"n=0; why=; "
	"while [ -z \"$why\" ]; do "
		"w=$(timeout 1 dd bs=64 count=1 2>/dev/null); s=$?; "
		"case $w in *x*) why=now;; *l*) links;; esac; "
		"if [ -n \"$w\" ]; then n=0; "
		"elif [ $s = 0 ]; then why=${why:-told}; else n=$((n + 1)); fi; "
		"[ -n \"$why\" ] || [ $n -lt 60 ] || why=lease; "
		"[ -n \"$why\" ] || [ $(date +%s) -lt $last ] || why=deadline; "
		"[ -n \"$why\" ] || alive || why=died; "
		"[ -n \"$why\" ] || up || why=ended; done; "
	"case $why in told|died|deadline) say stop $(date +%s%N); nap 1.1 2;; esac; "
	"kill -TERM $t 2>/dev/null; i=0; "
	"while up && [ $i -lt 50 ]; do nap 0.1 1; i=$((i + 1)); done; "
	"kill -KILL $t 2>/dev/null; wait $t; s=$?; "
	"if [ $why = ended ]; then nap 0.5 1; alive || why=died; fi; "
	"say end $why $s";

static void add_word(struct buf *b, const char *word)
{
	char *quoted = remote_quote(word);

	buf_addf(b, " %s", quoted);
	free(quoted);
}

char *tap_far_command(const struct wire_arm *a, const struct wire_wanted *w, bool sudo)
{
	struct buf b = BUF_INIT(1u << 20);
	char number[32];

	buf_addf(&b, "%ssh -c", sudo ? "sudo -n " : "");
	add_word(&b, script);
	buf_addf(&b, " swarmcap");
	add_word(&b, w->container_id ? w->container_id : "");
	add_word(&b, w->kind == WIRE_TASK && w->task_id ? w->task_id : "");
	snprintf(number, sizeof(number), "%lld", (long long)(a->deadline_ms / 1000 + 1));
	add_word(&b, number);
	buf_addf(&b, " \"$SSH_CONNECTION\"");
	add_word(&b, a->filter ? a->filter : "");
	buf_addf(&b, " -i");
	add_word(&b, a->interface ? a->interface : "any");
	buf_addf(&b, " -n -U -s %u -B " BUFFER_KIB, a->snaplen);
	return buf_take(&b);
}
