/* SPDX-License-Identifier: Apache-2.0
 *
 * life.c - what a later life of the agent must know to go on with a capture
 */
#include "life.h"
#include "spool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BOOT_FILE "/proc/sys/kernel/random/boot_id"

static void read_boot(char out[LIFE_BOOT_MAX])
{
	cleanup_free char *text = util_read_file(BOOT_FILE, LIFE_BOOT_MAX);

	snprintf(out, LIFE_BOOT_MAX, "%s", text ? text : "");
	out[strcspn(out, "\n")] = '\0';
}

static json_t *encode_target(const struct life_target *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
			 "dropped_kernel", (json_int_t)t->dropped_kernel,
			 "dropped_agent", (json_int_t)t->dropped_agent,
			 "truncated", (json_int_t)t->truncated,
			 "removed_files", (json_int_t)t->removed_files,
			 "removed_packets", (json_int_t)t->removed_packets,
			 "removed_bytes", (json_int_t)t->removed_bytes);
}

int life_write(int dirfd, const struct life *l, struct err *err)
{
	cleanup_json json_t *j = NULL;
	json_t *targets = json_array();
	int64_t to_wall = clock_wall_ns() - clock_mono_ns();
	char boot[LIFE_BOOT_MAX];

	read_boot(boot);
	for (size_t i = 0; i < l->n_targets; i++)
		json_array_append_new(targets, encode_target(&l->targets[i]));
	j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o}",
		      "token", l->token, "body_sha256", l->body_digest, "boot", boot,
		      "deadline_mono_ns", (json_int_t)l->deadline_ns,
		      "deadline_wall_ns", (json_int_t)(l->deadline_ns + to_wall),
		      "lease_mono_ns", (json_int_t)l->lease_ns,
		      "lease_wall_ns", (json_int_t)(l->lease_ns + to_wall),
		      "safe_ns", (json_int_t)l->safe_ns, "targets", targets);
	return spool_write_json(dirfd, SPOOL_LIFE, j, err);
}

static int64_t get(const json_t *j, const char *name)
{
	int64_t n = jx_int(j, name, 0);

	return n < 0 ? 0 : n < WIRE_COUNT_MAX ? n : WIRE_COUNT_MAX;
}

static int64_t get_time(const json_t *j, const char *name)
{
	int64_t n = jx_int(j, name, 0);

	return n > -WIRE_TIME_MAX && n < WIRE_TIME_MAX ? n : 0;
}

static void decode_targets(const json_t *list, struct life *out)
{
	out->n_targets = json_array_size(list);
	if (out->n_targets > WIRE_TARGETS_MAX)
		out->n_targets = WIRE_TARGETS_MAX;
	out->targets = xcalloc(out->n_targets + 1, sizeof(*out->targets));
	for (size_t i = 0; i < out->n_targets; i++) {
		const json_t *j = json_array_get(list, i);

		out->targets[i] = (struct life_target){
			.dropped_kernel = get(j, "dropped_kernel"),
			.dropped_agent = get(j, "dropped_agent"),
			.truncated = get(j, "truncated"),
			.removed_files = get(j, "removed_files"),
			.removed_packets = get(j, "removed_packets"),
			.removed_bytes = get(j, "removed_bytes"),
		};
	}
}

static void copy_hex(char *out, size_t size, const char *text)
{
	if (strlen(text) == size - 1 && strspn(text, "0123456789abcdef") == size - 1)
		memcpy(out, text, size);
}

int life_read(int dirfd, struct life *out, struct err *err)
{
	cleanup_json json_t *j = NULL;
	int64_t to_wall = clock_wall_ns() - clock_mono_ns();
	char boot[LIFE_BOOT_MAX];
	bool same;
	int r;

	*out = (struct life){ 0 };
	r = spool_read_json(dirfd, SPOOL_LIFE, &j, err);
	if (r)
		return r;
	read_boot(boot);
	same = *boot && !strcmp(jx_str(j, "boot", ""), boot);
	copy_hex(out->token, sizeof(out->token), jx_str(j, "token", ""));
	copy_hex(out->body_digest, sizeof(out->body_digest), jx_str(j, "body_sha256", ""));
	if (!*out->token)
		return err_set(err, -EINVAL, "%s is not as it should be", SPOOL_LIFE);
	out->deadline_ns = same ? get_time(j, "deadline_mono_ns")
				: get_time(j, "deadline_wall_ns") - to_wall;
	out->lease_ns = same ? get_time(j, "lease_mono_ns") : get_time(j, "lease_wall_ns") - to_wall;
	out->safe_ns = get_time(j, "safe_ns");
	decode_targets(jx_get(j, "targets"), out);
	return 0;
}

void life_remove(int dirfd)
{
	unlinkat(dirfd, SPOOL_LIFE, 0);
}

void life_release(struct life *l)
{
	free(l->targets);
	*l = (struct life){ 0 };
}
