/* SPDX-License-Identifier: Apache-2.0
 *
 * extcap_list.c - services, stacks and nodes as interfaces of Wireshark, within a time that holds
 *
 * The time is the process' own, not that of each call: a name server or an ssh host may be slow where no
 * time-out of ours reaches. The alarm ends the process out of any of them.
 */
#include "extcap.h"

#include "reach.h"
#include "request.h"
#include "selector.h"
#include "version.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define HEAD "extcap {version=" SWARMCAP_VERSION "}{display=Docker Swarm}\n"
#define LATE EXTCAP_PROGRAM ": no interfaces: the Engine did not answer in time\n"
#define NAME_MAX_BYTES 100	/* the pipe's file name holds it, and more */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* ---- lines ---- */

static bool is_plain(const char *name)
{
	return *name && strlen(name) <= NAME_MAX_BYTES && name[strspn(name, LETTERS)] == '\0';
}

/* A line ends at its end, and a value at a brace. */
static void print_text(FILE *to, const char *s)
{
	for (; *s; s++)
		fputc(*s >= ' ' && *s <= '~' && *s != '{' && *s != '}' ? *s : '_', to);
}

static void print_interface(FILE *to, enum selector_kind kind, const char *name, const char *shown,
			    const char *remark)
{
	const char *what = selector_kind_text(kind);
	/* "ingress" alone would be another selector */
	bool bare = kind == SELECTOR_SERVICE && strcmp(name, "ingress") != 0;

	fprintf(to, "interface {value=swarmcap:%s%s%s}{display=Swarm %s ", bare ? "" : what,
		bare ? "" : ":", name, what);
	print_text(to, shown);
	fprintf(to, "%s}\n", remark);
}

static void print_services(FILE *to, const struct cluster *c)
{
	for (size_t i = 0; i < c->n_services; i++) {
		const struct cluster_service *s = &c->services[i];

		print_interface(to, SELECTOR_SERVICE, is_plain(s->name) ? s->name : s->id, s->name,
				"");
	}
}

static bool is_first_of_stack(const struct cluster *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (c->services[k].stack && !strcmp(c->services[k].stack, c->services[i].stack))
			return false;
	return true;
}

/* A stack has no id: one with another name could not be selected either. */
static void print_stacks(FILE *to, const struct cluster *c)
{
	for (size_t i = 0; i < c->n_services; i++) {
		const char *stack = c->services[i].stack;

		if (stack && is_plain(stack) && is_first_of_stack(c, i))
			print_interface(to, SELECTOR_STACK, stack, stack, "");
	}
}

static bool has_namesake(const struct cluster *c, size_t i)
{
	for (size_t k = 0; k < c->n_nodes; k++)
		if (k != i && !strcmp(c->nodes[k].name, c->nodes[i].name))
			return true;
	return false;
}

static void print_nodes(FILE *to, const struct cluster *c)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		const struct cluster_node *n = &c->nodes[i];
		bool by_name = is_plain(n->name) && !has_namesake(c, i);

		print_interface(to, SELECTOR_NODE, by_name ? n->name : n->id, n->name,
				strcmp(n->state, "down") ? "" : " (down)");
	}
}

void extcap_print_interfaces(FILE *to, const struct cluster *c)
{
	fputs(HEAD, to);
	if (!c)
		return;
	print_services(to, c);
	print_stacks(to, c);
	print_nodes(to, c);
}

/* Of most; the file itself says which packets have another. */
void extcap_print_dlts(FILE *to)
{
	fputs("dlt {number=1}{name=EN10MB}{display=Ethernet}\n", to);
}

/* ---- in time ---- */

/* Who answers: the list, or the alarm. */
enum { OPEN, LIST, ALARM, DONE };
static atomic_int answers;
static const char *late_words;		/* for stderr, or NULL */

/* In any thread, out of anything; a list that is being written is written to its end. */
static void out_of_time(int signal)
{
	int now = OPEN;

	if (atomic_compare_exchange_strong(&answers, &now, ALARM) &&
	    (write(STDOUT_FILENO, HEAD, strlen(HEAD)) < 0 ||
	     (late_words && write(STDERR_FILENO, late_words, strlen(late_words)) < 0)))
		_exit(EXIT_FAILURE);
	if (now != LIST)
		_exit(EXIT_SUCCESS);
}

static void set_alarm(long ms)
{
	const struct sigaction act = { .sa_handler = out_of_time, .sa_flags = SA_RESTART };
	const struct itimerval in = {
		.it_value = { ms / 1000, ms % 1000 * 1000 }, .it_interval = { 0, 100 * 1000 },
	};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
}

static void print(const struct cluster *c)
{
	int now = OPEN;

	if (!atomic_compare_exchange_strong(&answers, &now, LIST))
		pause();	/* the alarm was first, and ends us */
	extcap_print_interfaces(stdout, c);
	fflush(stdout);
	atomic_store(&answers, DONE);
}

int extcap_list(long ms, bool tell, struct err *err)
{
	const struct request r = { .command = "ls", .verbosity = LOG_ERROR };
	struct cluster c = CLUSTER_INIT;
	struct reach *x = NULL;
	int rc;

	if (tell)
		late_words = LATE;
	set_alarm(ms);
	rc = reach_open(&x, &r, err);
	if (rc == 0)
		rc = cluster_load_names(reach_engine(x), &c, err);
	print(rc == 0 ? &c : NULL);
	/* even the farewell to an ssh host may take its time */
	reach_close(x);
	cluster_release(&c);
	return rc;
}
