/* SPDX-License-Identifier: Apache-2.0
 *
 * names.c - capture ids and file names; nothing hostile gets through here
 */
#include "names.h"

#include <string.h>
#include <time.h>

#include "units.h"

#define SUFFIX_MAX 32
#define EXT_MAX 16
#define TAIL_KEPT 24	/* ".3.k7x2a9" of a task, "_k7x2a9" of a host: what tells two apart */
#define ID_CUT 6

void names_new_id(int64_t ns, char *out)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, NAMES_ID_MAX, "%Y%m%dT%H%M%SZ-", &tm);
	util_random_hex(out + strlen(out), 3);
}

bool names_is_id(const char *s)
{
	/* what may stand at each place: a digit, a hex digit, or the character itself */
	static const char form[] = "ddddddddTddddddZ-xxxxxx";
	size_t i;

	if (!s)
		return false;
	for (i = 0; form[i]; i++) {
		bool digit = s[i] >= '0' && s[i] <= '9';
		bool hex = digit || (s[i] >= 'a' && s[i] <= 'f');

		if (form[i] == 'd' ? !digit : form[i] == 'x' ? !hex : s[i] != form[i])
			return false;
	}
	return s[i] == '\0';
}

static bool is_clean(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

char *names_clean(const char *s, size_t max)
{
	const char *from = s && *s ? s : "_";
	size_t n = strnlen(from, max);
	char *out = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = is_clean(from[i]) ? from[i] : '_';
	if (n > 0 && (out[0] == '.' || out[0] == '-'))
		out[0] = '_';
	out[n] = '\0';
	return out;
}

/* Cuts out of the middle, in place. */
static void shorten(char *s, size_t max)
{
	size_t len = strlen(s), tail = max > 2 * TAIL_KEPT ? TAIL_KEPT : max / 2;

	if (len > max)
		memmove(s + max - tail, s + len - tail, tail + 1);
}

/* Each gets half the room, and what the other leaves. */
static void share(char *a, char *b, size_t room)
{
	size_t half = room / 2, la = strlen(a), lb = strlen(b);

	if (la + lb <= room)
		return;
	if (la <= half) {
		shorten(b, room - la);
	} else if (lb <= half) {
		shorten(a, room - lb);
	} else {
		shorten(a, half);
		shorten(b, room - half);
	}
}

char *names_file(const struct names_file *f)
{
	cleanup_free char *host = names_clean(f->host, SIZE_MAX);
	cleanup_free char *target = names_clean(f->target, SIZE_MAX);
	cleanup_free char *suffix = f->suffix ? names_clean(f->suffix, SUFFIX_MAX) : NULL;
	cleanup_free char *ext = names_clean(f->ext, EXT_MAX);
	cleanup_free char *rest = NULL;
	char stamp[UNITS_TIME_MAX], segment[16] = "";

	if (f->segment >= 0)
		snprintf(segment, sizeof(segment), "-%03d", f->segment);
	rest = xasprintf("%s%s%s%s.%s", units_format_stamp(f->stamp_ns, stamp), segment,
			 suffix ? "-" : "", suffix ? suffix : "", ext);

	share(host, target, NAMES_FILE_MAX - 1 - 2 - strlen(rest));
	return xasprintf("%s-%s-%s", host, target, rest);
}

char *names_task(const char *service, int64_t slot, const char *node_id, const char *task_id)
{
	if (slot > 0)
		return xasprintf("%s.%lld.%.*s", service, (long long)slot, ID_CUT, task_id);
	return xasprintf("%s.%.*s.%.*s", service, ID_CUT, node_id, ID_CUT, task_id);
}
