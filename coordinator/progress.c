/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c - what a person sees while it runs, and what a program reads
 */
#include "progress.h"

#include "units.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_MAX_COLUMNS 240
#define ERASE "\r\033[K"

/* A CI system's log may call itself a terminal, and then keeps every state of the line. */
static bool in_ci(void)
{
	const char *ci = getenv("CI");

	return ci && *ci && strcmp(ci, "false") && strcmp(ci, "0");
}

void progress_init(struct progress *p, const struct request *r)
{
	*p = (struct progress){
		.request = r, .events = r->json ? stdout : NULL,
		.terminal = isatty(STDERR_FILENO) && r->verbosity >= LOG_INFO && !in_ci(),
	};
}

/* ---- the live line ---- */

static void put(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void erase(struct progress *p)
{
	if (p->shown)
		put(ERASE);
	p->shown = false;
}

static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 79;
	return size.ws_col - 1 < LINE_MAX_COLUMNS ? size.ws_col - 1 : LINE_MAX_COLUMNS;
}

char *progress_why_dropped(int64_t by_kernel, int64_t by_agent)
{
	if (by_agent <= 0)
		return xstrdup("");
	if (by_kernel <= 0)
		return xstrdup(" (because the disk is too slow)");
	return xasprintf(" (%lld by the kernel, %lld because the disk is too slow)",
			 (long long)by_kernel, (long long)by_agent);
}

static void show(struct progress *p, const struct fleet_counts *c)
{
	cleanup_free char *why = progress_why_dropped(c->dropped_kernel, c->dropped_agent);
	char text[LINE_MAX_COLUMNS + 1], line[LINE_MAX_COLUMNS + sizeof(ERASE)], bytes[32], of[32];

	units_format_size((uint64_t)c->bytes, bytes);
	if (!strcmp(p->doing, "fetching")) {
		units_format_size(c->fetched_bytes, bytes);
		units_format_size(c->fetch_bytes, of);
		snprintf(text, sizeof(text), "fetching: %s of %s, %zu of %zu nodes done", bytes, of,
			 c->nodes_done + c->nodes_lost, c->nodes);
	} else if (!strcmp(p->doing, "packing")) {
		snprintf(text, sizeof(text), "packing: %lld packets, %s", (long long)c->packets,
			 bytes);
	} else {
		snprintf(text, sizeof(text), "%s: %zu tasks, %lld packets, %s, %lld dropped%s",
			 p->doing, c->targets_armed - c->targets_ended, (long long)c->packets,
			 bytes, (long long)c->dropped, why);
	}
	snprintf(line, sizeof(line), ERASE "%.*s", columns(), text);
	put(line);
	p->shown = true;
}

void progress_end(struct progress *p)
{
	erase(p);
	p->doing = NULL;
}

void progress_say(struct progress *p, enum log_level level, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	erase(p);
	if (text)
		log_at(level, "%s", text);
}

/* ---- events ---- */

void progress_event(struct progress *p, json_t *event)
{
	if (p->events) {
		cleanup_free char *line = jx_dump(event);

		fprintf(p->events, "%s\n", line);
		fflush(p->events);
	}
	json_decref(event);
}

static const struct {
	enum log_level level;
	const char *words, *state;
} kinds[] = {
	[FLEET_NODE_FAILED] = { LOG_WARN, "cannot be reached", "failed" },
	[FLEET_NODE_SILENT] = { LOG_WARN, "does not answer, still trying", "silent" },
	[FLEET_NODE_BACK] = { LOG_INFO, "answers again", "back" },
	[FLEET_NODE_GONE] = { LOG_WARN, "is given up", "gone" },
	[FLEET_TARGET_FAILED] = { LOG_WARN, "cannot be captured", "failed" },
	[FLEET_TARGET_JOINED] = { LOG_INFO, "joined", "joined" },
	[FLEET_TARGET_ENDED] = { LOG_INFO, "ended", "ended" },
};

static void show_event(struct progress *p, const struct fleet_event *e)
{
	bool ended = e->kind == FLEET_TARGET_ENDED;
	json_t *event;

	if (e->kind == FLEET_NODE_NOTE) {
		progress_say(p, LOG_DEBUG, "%s: %s", e->node, e->text);
		return;
	}
	event = json_pack("{s:s, s:o, s:s, s:o}", "event", e->target ? "target" : "node", "node",
			  jx_text(e->node), "state", kinds[e->kind].state, ended ? "end" : "error",
			  jx_text(e->text));
	if (e->target)
		json_object_set_new(event, "target", jx_text(e->target));
	progress_say(p, kinds[e->kind].level, "%s%s%s %s%s%s", e->target ? e->target : "",
		     e->target ? " on " : "", e->node, kinds[e->kind].words, e->text ? ": " : "",
		     e->text ? e->text : "");
	progress_event(p, event);
}

json_t *progress_counts(const struct progress *p, const struct fleet_counts *c)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "event", "progress",
			 "doing", p->doing,
			 "targets", (json_int_t)(c->targets_armed - c->targets_ended),
			 "packets", (json_int_t)c->packets,
			 "bytes", (json_int_t)c->bytes,
			 "dropped", (json_int_t)c->dropped,
			 "dropped_kernel", (json_int_t)c->dropped_kernel,
			 "dropped_agent", (json_int_t)c->dropped_agent,
			 "fetched_bytes", (json_int_t)c->fetched_bytes);
}

void progress_tick(void *progress)
{
	struct progress *p = progress;
	struct fleet_counts c;
	struct fleet_event *e;
	int64_t now = clock_mono_ns();

	while ((e = fleet_next_event(p->fleet))) {
		show_event(p, e);
		fleet_event_free(e);
	}
	if (!p->doing || now - p->shown_ns < NS_PER_S - NS_PER_MS)
		return;
	p->shown_ns = now;
	fleet_counts(p->fleet, &c);
	if (p->terminal)
		show(p, &c);
	progress_event(p, progress_counts(p, &c));
}
