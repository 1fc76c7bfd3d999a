/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_talk.c - what tcpdump, and the script around it, say on stderr; pure
 */
#include "tap_talk.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>


#define TIME_MIN 1000000000000000000LL	/* 2001 */

void tap_talk_init(struct tap_talk *t)
{
	*t = (struct tap_talk){ .words = BUF_INIT(TAP_WORDS_MAX) };
	t->captured = t->received = t->dropped_kernel = t->dropped_interface = -1;
}

void tap_talk_release(struct tap_talk *t)
{
	buf_release(&t->words);
	free(t->version);
	free(t->state);
	for (size_t i = 0; i < t->n_notes; i++)
		free(t->notes[i]);
	free(t->interfaces);
	tap_talk_init(t);
}

/* ---- numbers ---- */

/* Digits up to the end or a blank. False: none, or more than any count. */
static bool take_count(const char **p, int64_t *out)
{
	int64_t v = 0;
	const char *s = *p;

	for (; isdigit((unsigned char)*s); s++) {
		if (v >= WIRE_COUNT_MAX)
			return false;
		v = v * 10 + (*s - '0');
	}
	if (s == *p)
		return false;
	*p = s;
	*out = v;
	return true;
}

/* "12 packets captured" */
static bool take_counter(struct tap_talk *t, const char *line)
{
	const struct { const char *text; int64_t *to; } rows[] = {
		{ "captured", &t->captured },
		{ "received by filter", &t->received },
		{ "dropped by kernel", &t->dropped_kernel },
		{ "dropped by interface", &t->dropped_interface },
	};
	int64_t n;

	if (!take_count(&line, &n))
		return false;
	if (str_starts(line, " packets "))
		line += 9;
	else if (str_starts(line, " packet "))
		line += 8;
	else
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(line, rows[i].text)) {
			*rows[i].to = n > WIRE_COUNT_MAX ? WIRE_COUNT_MAX : n;
			return true;
		}
	return false;
}

/* ---- interfaces ---- */

static bool take_mac(const char *p, uint8_t mac[6])
{
	unsigned b[6];

	if (sscanf(p, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

/* "7: eth0" or "7: eth0@if8": the end of it, or NULL. */
static const char *take_name(const char *p, struct tap_interface *out)
{
	size_t n;

	if (!take_count(&p, &out->index) || out->index > UINT32_MAX || !str_starts(p, ": "))
		return NULL;
	p += 2;
	n = strcspn(p, ":@ \t");
	if (!n || n >= sizeof(out->name))
		return NULL;
	memcpy(out->name, p, n);
	out->name[n] = '\0';
	return p + n;
}

bool tap_talk_link(const char *line, struct tap_interface *out)
{
	const char *p, *mtu, *ether;

	*out = (struct tap_interface){ 0 };
	p = take_name(line, out);
	if (!p)
		return false;
	mtu = strstr(p, " mtu ");
	if (mtu) {
		mtu += 5;
		take_count(&mtu, &out->mtu);
	}
	ether = strstr(p, "link/ether ");
	out->up = strstr(p, ",UP") || strstr(p, "<UP");
	out->has_mac = ether && take_mac(ether + 11, out->mac);
	return true;
}

static struct tap_interface *find(const struct tap_talk *t, int64_t index)
{
	for (size_t i = 0; i < t->n_interfaces; i++)
		if (t->interfaces[i].index == index)
			return &t->interfaces[i];
	return NULL;
}

const struct tap_interface *tap_talk_find(const struct tap_talk *t, int64_t index)
{
	return find(t, index);
}

static void add_link(struct tap_talk *t, const char *line)
{
	struct tap_interface one, *known;

	if (!tap_talk_link(line, &one))
		return;
	known = find(t, one.index);
	if (known || t->n_interfaces == WIRE_INTERFACES_MAX)
		return;
	t->interfaces = xrealloc(t->interfaces, t->n_interfaces + 1, sizeof(*t->interfaces));
	t->interfaces[t->n_interfaces++] = one;
}

/* "7: eth0    inet 10.0.1.5/24 brd ..." */
static void add_address(struct tap_talk *t, const char *line)
{
	struct tap_interface one = { 0 }, *known;
	const char *p = take_name(line, &one);
	size_t n;

	p = p ? strstr(p, " inet") : NULL;
	known = p ? find(t, one.index) : NULL;
	if (!known || known->n_addresses == TAP_ADDRESSES_MAX)
		return;
	p += 5;
	p += *p == '6';
	p += strspn(p, " ");
	n = strspn(p, "0123456789abcdefABCDEF:./");
	if (!n || n >= sizeof(known->addresses[0]) || (p[n] && p[n] != ' '))
		return;
	for (size_t i = 0; i < known->n_addresses; i++)
		if (strlen(known->addresses[i]) == n && !memcmp(known->addresses[i], p, n))
			return;
	memcpy(known->addresses[known->n_addresses], p, n);
	known->addresses[known->n_addresses++][n] = '\0';
}

/* ---- our script's lines ---- */

static void keep(char **to, const char *text)
{
	struct buf b = BUF_INIT(4 * TAP_LINE_MAX + 1);

	buf_add_safe(&b, text);
	free(*to);
	*to = buf_take(&b);
}

static void take_end(struct tap_talk *t, const char *rest)
{
	static const struct { const char *text; enum tap_why why; } rows[] = {
		{ "told", TAP_WHY_TOLD }, { "now", TAP_WHY_NOW }, { "ended", TAP_WHY_ENDED },
		{ "died", TAP_WHY_DIED }, { "lease", TAP_WHY_LEASE },
		{ "deadline", TAP_WHY_DEADLINE }, { "signal", TAP_WHY_SIGNAL },
	};
	size_t n = strcspn(rest, " ");
	int64_t status;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].text) == n && !memcmp(rows[i].text, rest, n))
			t->why = rows[i].why;
	rest += n;
	rest += *rest == ' ';
	if (take_count(&rest, &status) && status < 256)
		t->status = (int)status;
}

/* Nanoseconds; a date that knows only seconds (busybox) says a number that is none. */
static void take_time(int64_t *to, const char *rest)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(rest, &end, 10);
	if (!errno && end != rest && !*end && v >= TIME_MIN && v <= WIRE_TIME_MAX)
		*to = v;
}

static void take_note(struct tap_talk *t, const char *rest)
{
	if (t->n_notes < TAP_NOTES_MAX)
		keep(&t->notes[t->n_notes++], rest);
}

static void take_own(struct tap_talk *t, const char *p)
{
	if (str_starts(p, "version "))
		keep(&t->version, p + 8);
	else if (str_starts(p, "state "))
		keep(&t->state, p + 6);
	else if (str_starts(p, "link "))
		add_link(t, p + 5);
	else if (str_starts(p, "addr "))
		add_address(t, p + 5);
	else if (!strcmp(p, "links"))
		t->listed++;
	else if (str_starts(p, "note "))
		take_note(t, p + 5);
	else if (str_starts(p, "stop "))
		take_time(&t->stop_ns, p + 5);
	else if (str_starts(p, "time "))
		take_time(&t->time_ns, p + 5);
	else if (str_starts(p, "end "))
		take_end(t, p + 4);
	else if (str_starts(p, "gone "))
		t->gone = true;
}

/* ---- lines ---- */

/* What tcpdump says though all is well. */
static bool is_idle_talk(const char *line)
{
	static const char *const starts[] = {
		"tcpdump: data link type ", "tcpdump: verbose output suppressed",
		"tcpdump: WARNING: ", "dropped privs to ", "(Promiscuous mode not supported",
		"Warning: Permanently added ", "tcpdump: Warning: ", "Terminated",
	};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (str_starts(line, starts[i]))
			return true;
	return !*line;
}

/* The first lines are the cause, what follows them repeats it. */
static void keep_words(struct tap_talk *t, const char *line)
{
	struct buf safe = BUF_INIT(4 * TAP_LINE_MAX + 1);

	buf_add_safe(&safe, line);
	if (t->words.len + safe.len + 2 <= TAP_WORDS_MAX) {
		if (t->words.len)
			buf_addf(&t->words, "; ");
		buf_add(&t->words, safe.data, safe.len);
	}
	buf_release(&safe);
}

static void take_line(struct tap_talk *t)
{
	char *line = t->line;

	while (t->fill && isspace((unsigned char)line[t->fill - 1]))
		t->fill--;
	line[t->fill] = '\0';
	t->fill = 0;

	if (str_starts(line, "swarmcap: "))
		take_own(t, line + 10);
	else if (str_starts(line, "tcpdump: listening on ") || str_starts(line, "listening on "))
		t->listening = true;
	else if (!take_counter(t, line) && !is_idle_talk(line))
		keep_words(t, line);
}

void tap_talk_feed(struct tap_talk *t, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			take_line(t);
		} else if (t->fill + 1 < sizeof(t->line)) {
			/* a NUL would hide the rest of the line */
			t->line[t->fill++] = p[i] ? p[i] : ' ';
		}
	}
}

void tap_talk_end(struct tap_talk *t)
{
	if (t->fill)
		take_line(t);
}

/* ---- blame ---- */

struct cause {
	const char *with, *and;		/* both are in the words; and may be NULL */
	int code;
	const char *text;
};

/* The first that fits. */
static const struct cause causes[] = {
	{ "sudo:", "password", -EPERM,
	  "sudo asks for a password: let the user run sudo without one (NOPASSWD), or log in as "
	  "root" },
	{ "sudo:", "terminal", -EPERM,
	  "sudo wants a terminal: take requiretty out of sudoers, or log in as root" },
	{ "not in the sudoers", NULL, -EPERM, "the user may not use sudo: log in as root" },
	{ "not allowed to execute", NULL, -EPERM,
	  "sudo does not let the user run sh: allow it, or log in as root" },
	{ "sudo", "not found", -ENOENT, "there is no sudo, and nsenter needs root: log in as root" },
	{ "nsenter", "not found", -ENOENT, "there is no nsenter: install util-linux" },
	{ "tcpdump", "not found", -ENOENT,
	  "there is no tcpdump: install it, or take the route ssh-helper" },
	{ "failed to execute tcpdump", NULL, -ENOENT,
	  "there is no tcpdump: install it, or take the route ssh-helper" },
	{ "docker", "not found", -ENOENT, "there is no docker client" },
	{ "docker daemon socket", "ermission denied", -EPERM,
	  "the user has no permission for docker: put it into the group docker, or log in as root" },
	{ "No such device", NULL, -ENODEV, "there is no such interface in the target's namespace" },
	{ "filter expression", NULL, -EINVAL, "tcpdump refuses the filter" },
	{ "syntax error", NULL, -EINVAL, "tcpdump refuses the filter" },
	{ "permission to", NULL, -EPERM, "tcpdump may not capture" },
	{ "Operation not permitted", NULL, -EPERM, "this needs root: log in as root, or allow sudo" },
};

int tap_talk_blame(const struct tap_talk *t, struct err *err)
{
	const char *words = t->words.data;

	if (t->gone)
		return err_set(err, -ENOENT, "the container is no longer what was planned");
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		const struct cause *c = &causes[i];

		if (strstr(words, c->with) && (!c->and || strstr(words, c->and)))
			return err_set(err, c->code, "%s (it says: %s)", c->text, words);
	}
	if (t->words.len)
		return err_set(err, -EIO, "the node says: %s", words);
	return err_set(err, -EIO, "tcpdump ended without a word");
}
