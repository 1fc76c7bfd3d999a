/* SPDX-License-Identifier: Apache-2.0
 *
 * hire_image.c - the agent's image as a file: its architecture, and its tree as one tar
 */
#include "hire_image.h"

#include "buf.h"
#include "jx.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX (1u << 20)
#define ENTRIES_MAX 64
#define CHUNK (256 << 10)

struct reading {
	struct archive *archive;
	const char *path;
	struct buf tree;
	json_t *config;
	int layers;
};

const char *hire_image_architecture(const char *machine)
{
	static const char *const pairs[][2] = { { "x86_64", "amd64" }, { "aarch64", "arm64" },
						{ "armv7l", "arm" }, { "i686", "386" } };

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!strcmp(machine, pairs[i][0]))
			return pairs[i][1];
	return machine;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static int read_entry(struct reading *r, struct buf *out, struct err *err)
{
	cleanup_free char *data = xmalloc(CHUNK);
	la_ssize_t n;

	while ((n = archive_read_data(r->archive, data, CHUNK)) > 0)
		if (buf_add(out, data, (size_t)n) < 0)
			return err_set(err, -EFBIG, "'%s' is too large for the agent's image", r->path);
	return n < 0 ? err_set(err, -EINVAL, "'%s' is broken: %s", r->path,
			       archive_error_string(r->archive)) : 0;
}

static int read_config(struct reading *r, struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(CONFIG_MAX);
	int rc = read_entry(r, &text, err);

	jx_freep(&r->config);
	return rc < 0 ? rc : jx_parse(text.data, text.len, r->path, &r->config, err);
}

static int read_all(struct reading *r, struct err *err)
{
	struct archive_entry *entry;
	int rc = 0, status = ARCHIVE_OK;

	for (int i = 0; rc == 0 && i < ENTRIES_MAX; i++) {
		const char *name;

		status = archive_read_next_header(r->archive, &entry);
		if (status != ARCHIVE_OK)
			break;
		name = archive_entry_pathname(entry);
		if (name && ends_with(name, "/layer.tar")) {
			r->layers++;
			buf_reset(&r->tree);
			rc = read_entry(r, &r->tree, err);
		} else if (name && ends_with(name, ".json") && !ends_with(name, "manifest.json")) {
			rc = read_config(r, err);
		}
	}
	if (rc == 0 && status != ARCHIVE_OK && status != ARCHIVE_EOF)
		return err_set(err, -EINVAL, "'%s' is no image: %s", r->path,
			       archive_error_string(r->archive));
	return rc;
}

static int take_result(struct reading *r, struct hire_image *out, struct err *err)
{
	const char *digest = json_string_value(json_array_get(jx_get(r->config, "rootfs.diff_ids"), 0));

	if (r->layers != 1 || !digest || !str_starts(digest, "sha256:") ||
	    strlen(digest + 7) != DIGEST_HEX - 1 ||
	    strspn(digest + 7, "0123456789abcdef") != DIGEST_HEX - 1)
		return err_set(err, -EINVAL, "'%s' is not the agent's image: make it by `make image`",
			       r->path);
	snprintf(out->sha256, sizeof(out->sha256), "%s", digest + 7);
	snprintf(out->architecture, sizeof(out->architecture), "%s",
		 jx_str(r->config, "architecture", ""));
	out->len = r->tree.len;
	out->tree = buf_take(&r->tree);
	return 0;
}

int hire_image_load(struct hire_image *out, const char *path, struct err *err)
{
	struct reading r = { .archive = archive_read_new(), .path = path,
			     .tree = BUF_INIT(HIRE_IMAGE_MAX) };
	int rc = 0;

	*out = (struct hire_image){ 0 };
	archive_read_support_format_tar(r.archive);
	if (archive_read_open_filename(r.archive, path, CHUNK) != ARCHIVE_OK)
		rc = err_set(err, access(path, R_OK) ? -ENOENT : -EINVAL, "cannot read '%s': %s",
			     path, archive_error_string(r.archive));
	if (rc == 0)
		rc = read_all(&r, err);
	if (rc == 0)
		rc = take_result(&r, out, err);
	archive_read_free(r.archive);
	buf_release(&r.tree);
	json_decref(r.config);
	return rc;
}

void hire_image_release(struct hire_image *i)
{
	free(i->tree);
	*i = (struct hire_image){ 0 };
}
