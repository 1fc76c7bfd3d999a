/* SPDX-License-Identifier: Apache-2.0
 *
 * sources.c - operands become inputs of a merge
 */
#include "sources_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capfile.h"
#include "units.h"

#define OFFSET ",offset="

/* ---- what is kept until the end */

const char *sources_keep_text(struct sources *s, char *text)
{
	s->texts = xrealloc(s->texts, s->n_texts + 1, sizeof(*s->texts));
	return s->texts[s->n_texts++] = text;
}

int sources_keep_fd(struct sources *s, int fd)
{
	s->fds = xrealloc(s->fds, s->n_fds + 1, sizeof(*s->fds));
	return s->fds[s->n_fds++] = fd;
}

void sources_add_input(struct sources *s, const struct merge_input *in)
{
	s->inputs = xrealloc(s->inputs, s->n + 1, sizeof(*s->inputs));
	s->inputs[s->n++] = *in;
}

void sources_add_clock(struct sources *s, const struct source_clock *c)
{
	s->clocks = xrealloc(s->clocks, s->n_clocks + 1, sizeof(*s->clocks));
	s->clocks[s->n_clocks++] = *c;
}

void sources_release(struct sources *s)
{
	for (size_t i = 0; i < s->n_fds; i++)
		util_close(s->fds[i]);
	for (size_t i = 0; i < s->n_texts; i++)
		free(s->texts[i]);
	for (size_t i = 0; i < s->n_clocks; i++)
		free(s->clocks[i].who);
	for (size_t i = 0; i < s->n_accounts; i++) {
		account_release(s->accounts[i]);
		free(s->accounts[i]);
	}
	free(s->fds);
	free(s->texts);
	free(s->clocks);
	free(s->accounts);
	free(s->names);
	free(s->inputs);
	*s = (struct sources)SOURCES_INIT;
}

/* ---- an operand's words */

struct operand {
	char *path, *label;		/* label: NULL when none is told */
	bool has_offset;
	int64_t offset_ns;
};

static void operand_release(struct operand *o)
{
	free(o->path);
	free(o->label);
}

static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

/* A file whose own name has "=" in it is meant as it is. */
static int parse_operand(const char *text, struct operand *out, struct err *err)
{
	char *p;

	out->path = xstrdup(text);
	if (is_there(text))
		return 0;
	p = strstr(out->path, OFFSET);
	if (p && units_parse_offset(p + strlen(OFFSET), &out->offset_ns) < 0)
		return err_set(err, -EINVAL, "'%s': not a time, as in offset=+3ms or offset=-250us",
			       text);
	out->has_offset = p != NULL;
	if (p)
		*p = '\0';
	p = is_there(out->path) ? NULL : strchr(out->path, '=');
	if (!p)
		return 0;
	*p = '\0';
	out->label = xstrdup(p + 1);
	if (!*out->label)
		return err_set(err, -EINVAL, "'%s': a name is needed behind '='", text);
	return 0;
}

/* ---- a capture file */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_file(struct sources *s, const struct operand *o, int fd)
{
	const char *path = sources_keep_text(s, xstrdup(o->path));
	const char *label = sources_keep_text(s, xstrdup(o->label ? o->label : last_part(path)));

	sources_add_input(s, &(struct merge_input){
		.path = path, .fd = sources_keep_fd(s, fd), .label = label,
		.names_all = true, .clock.offset_ns = o->offset_ns,
	});
	sources_add_clock(s, &(struct source_clock){
		.who = xstrdup(label), .is_known = o->has_offset, .is_told = o->has_offset,
		.offset_ns = o->offset_ns,
	});
}

/* What cannot be sought can only be a stream of packets. */
static bool is_capture(int fd)
{
	uint8_t head[4];
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return false;
	return lseek(fd, 0, SEEK_CUR) < 0 ||
	       (pread(fd, head, sizeof(head), 0) == sizeof(head) && capfile_is(head, sizeof(head)));
}

int sources_add(struct sources *s, const char *operand, struct err *err)
{
	cleanup(operand_release) struct operand o = { 0 };
	cleanup_close int fd = -1;
	int r = parse_operand(operand, &o, err);

	if (r < 0)
		return r;
	fd = open(o.path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", o.path);
	if (is_capture(fd)) {
		add_file(s, &o, take_fd(&fd));
		return 0;
	}
	if (o.label || o.has_offset)
		return err_set(err, -EINVAL, "'%s' is no capture file: only one takes %s", o.path,
			       o.label ? "a name" : "offset=");
	return sources_add_archive(s, o.path, err);
}
