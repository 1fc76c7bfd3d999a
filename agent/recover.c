/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.c - what a former life of the agent left in the spool
 *
 * The files are the truth; the state file is what was noted of them last, and it may be older:
 *  - a hidden file was being written: it is cut after its last whole block and renamed;
 *  - a whole file that the state does not know was renamed just before the end: it is measured;
 *  - a file that the state knows stands as noted.
 * Without a state file the agent died before the first one was written, and the request tells
 * who the targets were. A capture that may still run goes on (resume.h), others are finished.
 */
#include "recover.h"
#include "log.h"
#include "resume.h"
#include "segment.h"
#include "target.h"
#include "version.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What a former life left, as far as it can be read. */
struct found {
	struct wire_report report;
	char body_digest[DIGEST_HEX];
	json_t *served;
	int64_t finished_ns;
	struct life life;		/* zeros: there is none */
};

static int read_state(int dirfd, struct found *l, struct err *err)
{
	cleanup_json json_t *state = NULL;
	const char *digest;
	int r = spool_read_json(dirfd, SPOOL_STATE, &state, err);

	if (!r)
		r = wire_report_decode(jx_get(state, "report"), &l->report, err);
	if (r)
		return r;
	/* as with a request (read_request): what was being opened then is opened now */
	for (size_t i = 0; i < l->report.n_targets; i++)
		if (target_is_undecided(&l->report.targets[i]))
			l->report.targets[i].state = WIRE_ARMED;
	digest = jx_str(state, "body_sha256", "");
	if (digest_is_hex(digest))
		memcpy(l->body_digest, digest, DIGEST_HEX);
	l->served = json_incref(jx_get(state, "served"));
	l->finished_ns = jx_int(state, "finished_ns", 0);
	return 0;
}

static int read_request(int dirfd, const struct node *n, struct wire_report *r, struct err *err)
{
	cleanup_json json_t *request = NULL;
	struct wire_arm a;
	int result = spool_read_json(dirfd, SPOOL_REQUEST, &request, err);

	if (result)
		return result;
	result = wire_arm_decode(request, &a, err);
	if (!result) {
		memcpy(r->id, a.id, sizeof(r->id));
		r->node_id = xstrdup(n->id);
		r->node_name = xstrdup(n->name);
		r->version = xstrdup(SWARMCAP_VERSION);
		r->attached = a.attached;
		r->running = true;
		r->context = json_incref(a.context);
		r->targets = xcalloc(a.n_targets, sizeof(*r->targets));
		r->n_targets = a.n_targets;
	}
	for (size_t i = 0; !result && i < a.n_targets; i++) {
		r->targets[i].key = xstrdup(a.targets[i].key);
		r->targets[i].container_id = xstrdup_null(a.targets[i].container_id);
		r->targets[i].state = WIRE_ARMED;
	}
	wire_arm_release(&a);
	return result;
}

static bool knows_file(const struct wire_target *t, const char *name)
{
	for (size_t i = 0; i < t->n_files; i++)
		if (!strcmp(t->files[i].name, name))
			return true;
	return false;
}

/* A ring of files may have gone on after the state was noted. */
static void forget_removed(struct wire_target *t, int dirfd)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_files; i++) {
		if (faccessat(dirfd, t->files[i].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			t->files[kept++] = t->files[i];
			continue;
		}
		free(t->files[i].name);
		free(t->files[i].suffix);
	}
	t->n_files = kept;
}

static void add_file(struct wire_target *t, const struct wire_file *f)
{
	t->files = xrealloc(t->files, t->n_files + 1, sizeof(*t->files));
	t->files[t->n_files++] = *f;
}

/* ".0-000.pcapng.part" -> "0-000.pcapng"; NULL: not a hidden file's name. Free it. */
static char *shown_name(const char *hidden)
{
	size_t n = strlen(hidden);

	if (n < 7 || hidden[0] != '.' || strcmp(hidden + n - 5, ".part"))
		return NULL;
	return xasprintf("%.*s", (int)(n - 6), hidden + 1);
}

static void take_file(struct found *l, int dirfd, const char *entry)
{
	cleanup_free char *shown = shown_name(entry);
	cleanup_free char *suffix = NULL;
	const char *name = shown ? shown : entry;
	struct wire_file f = { 0 };
	struct err err = ERR_INIT;
	size_t number;
	int r;

	if (!segment_parse_name(name, &number, &f.segment, &suffix) || number >= l->report.n_targets)
		return;
	if (!shown && knows_file(&l->report.targets[number], name))
		return;
	if (shown)
		r = segment_salvage(dirfd, name, &f, &err);
	else
		r = segment_inspect(dirfd, name, &f, &err);
	if (r) {
		log_warn("capture %s: %s: %s", l->report.id, name, err.text);
		return;
	}
	f.suffix = take_ptr(&suffix);
	add_file(&l->report.targets[number], &f);
	if (f.recovered)
		log_info("capture %s: %s recovered, %lld packets", l->report.id, name,
			 (long long)f.packets);
}

static void take_files(struct found *l, int dirfd)
{
	int fd = dup(dirfd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char **names = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->report.n_targets; i++)
		forget_removed(&l->report.targets[i], dirfd);
	/* first all names: renaming under a running readdir may show one twice */
	while (d && (e = readdir(d))) {
		names = xrealloc(names, n + 1, sizeof(*names));
		names[n++] = xstrdup(e->d_name);
	}
	for (size_t i = 0; i < n; i++) {
		take_file(l, dirfd, names[i]);
		free(names[i]);
	}
	free(names);
	if (d)
		closedir(d);
}

/* The counters of a target that was being captured: what its files hold. */
static void end_target(struct wire_target *t, const struct life *l)
{
	int64_t from = resume_gap_begin(t, l);

	t->packets = t->bytes = 0;
	for (size_t i = 0; i < t->n_files; i++) {
		t->packets += t->files[i].packets;
		t->bytes += t->files[i].bytes;
	}
	t->stopped_ns = from;
	if (t->received < t->packets)
		t->received = t->packets;
	t->state = WIRE_ENDED;
	t->end = WIRE_END_AGENT_LOST;
	t->error = xstrdup(LIFE_RESTARTED);
	if (t->n_gaps == WIRE_GAPS_MAX)
		return;
	t->gaps = xrealloc(t->gaps, t->n_gaps + 1, sizeof(*t->gaps));
	t->gaps[t->n_gaps++] = (struct wire_gap){ .from_ns = from, .why = xstrdup(LIFE_RESTARTED) };
}

/* From this number on. */
static void end_from(struct found *l, size_t first)
{
	for (size_t i = first; i < l->report.n_targets; i++) {
		struct wire_target *t = &l->report.targets[i];

		if (t->state == WIRE_ARMED || (t->state == WIRE_FAILED && t->n_files)) {
			free(t->error);
			end_target(t, &l->life);
		}
	}
}

/* Once its files are whole: it goes on, or it is finished. */
static struct capture *revive(const struct capture_env *env, int dirfd, struct found *l)
{
	struct resume_plan p = { .served = l->served };

	if (!life_read(dirfd, &l->life, NULL) &&
	    resume_may(dirfd, &l->report, &l->life, &p.arm)) {
		if (!*l->life.body_digest)
			memcpy(l->life.body_digest, l->body_digest, sizeof(l->body_digest));
		end_from(l, p.arm.n_targets);
		p.report = l->report;
		p.life = l->life;
		return resume(env, dirfd, &p);
	}
	end_from(l, 0);
	l->report.running = false;
	l->report.token[0] = '\0';
	if (!l->finished_ns)
		l->finished_ns = clock_wall_ns();
	return capture_restore(env, dirfd, &l->report, l->body_digest, l->served, l->finished_ns);
}

static void recover_one(struct captures *r, const struct capture_env *env, const char *id)
{
	struct found l = { 0 };
	struct err err = ERR_INIT;
	int dirfd;

	if (spool_open_dir(env->spool, id, &dirfd, &err)) {
		log_error("%s", err.text);
		return;
	}
	if (read_state(dirfd, &l, &err)) {
		wire_report_release(&l.report);
		l.report = (struct wire_report){ 0 };
		if (read_request(dirfd, env->node, &l.report, NULL))
			log_warn("capture %s: not recovered: %s", id, err.text);
	}
	if (strcmp(l.report.id, id)) {
		wire_report_release(&l.report);
		util_close(dirfd);
		return;
	}
	if (!l.report.dropped)
		take_files(&l, dirfd);
	captures_adopt(r, revive(env, dirfd, &l));
	json_decref(l.served);
	life_release(&l.life);
}

void recover_all(struct captures *r, const struct capture_env *env)
{
	DIR *d = spool_list(env->spool);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (names_is_id(e->d_name))
			recover_one(r, env, e->d_name);
	if (d)
		closedir(d);
}
