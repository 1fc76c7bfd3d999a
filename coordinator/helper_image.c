/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_image.c - the image that a helper container is made of
 */
#include "helper_image.h"
#include "helper_raw.h"
#include "hire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define LATEST "swarmcap-agent:latest"

/* Ours, as Docker names it: the architecture that image.tar is of. */
static const char *our_machine(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };
	static struct utsname u;

	if (uname(&u))
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(u.machine, names[i][0]))
			return names[i][1];
	return u.machine;
}

/* 0: *out is its description; ENGINE_E_NOT_FOUND; -errno. */
static int inspect(struct engine *e, const char *name, json_t **out, struct err *err)
{
	cleanup_free char *escaped = engine_escape(name);
	cleanup_free char *path = xasprintf("/images/%s/json", escaped);
	int r = engine_get(e, path, out, err);

	return r < 0 || r == ENGINE_E_NOT_FOUND ? r : r ? -EIO : 0;
}

static int is_present(struct engine *e, const char *name, bool *out, struct err *err)
{
	cleanup_json json_t *j = NULL;
	struct err why = ERR_INIT;
	int r = inspect(e, name, &j, &why);

	if (r < 0)
		return err_set(err, r, "%s", why.text);
	*out = r == 0;
	return 0;
}

static void untag(struct engine *e, const char *name)
{
	cleanup_free char *escaped = engine_escape(name);
	cleanup_free char *path = xasprintf("/images/%s", escaped);

	engine_send(e, "DELETE", path, NULL, NULL, NULL);
}

static void tag(struct engine *e, const char *what, const char *repo, const char *as)
{
	cleanup_free char *escaped = engine_escape(what);
	cleanup_free char *path = xasprintf("/images/%s/tag?repo=%s&tag=%s", escaped, repo, as);

	engine_send(e, "POST", path, NULL, NULL, NULL);
}

/* One raw call, up to the end of its answer. file: -1 for none. */
static int call(const struct helper_image *i, const char *path, int file, int64_t size,
		int timeout_ms, struct err *err)
{
	cleanup_free char *request =
		xasprintf("POST /v%s%s HTTP/1.0\r\nHost: docker\r\n"
			  "Content-Type: application/x-tar\r\nContent-Length: %lld\r\n\r\n",
			  engine_version(i->engine), path, (long long)size);
	cleanup_close int fd = i->dialer->dial(i->dialer->arg, err);
	const struct raw x = { .fd = fd, .cancel = i->cancel,
			       .until_ns = clock_mono_ns() + timeout_ms * NS_PER_MS };
	cleanup_buf struct buf b = BUF_INIT(4 * RAW_ANSWER_MAX);
	struct tap_head h;
	int r;

	if (fd < 0)
		return fd;
	r = raw_put(&x, request, strlen(request), err);
	if (!r && file >= 0)
		r = raw_put_file(&x, file, size, err);
	if (!r)
		r = raw_get_head(&x, &b, &h, err);
	return r ? r : raw_get_lines(&x, &b, &h, err);
}

/* ---- ours ---- */

/* The tar names it swarmcap-agent, which is not ours to set: what stood there stands again. */
static int load(struct helper_image *i, int file, int64_t size, struct err *err)
{
	cleanup_json json_t *before = NULL;
	const char *old = NULL;
	int r;

	if (!inspect(i->engine, LATEST, &before, NULL))
		old = jx_str(before, "Id", NULL);
	r = call(i, "/images/load?quiet=1", file, size, HELPER_LOAD_MS, err);
	if (r)
		return r;
	tag(i->engine, HELPER_IMAGE_OURS, "swarmcap-helper", SWARMCAP_VERSION);
	if (old)
		tag(i->engine, old, "swarmcap-agent", "latest");
	else
		untag(i->engine, LATEST);
	untag(i->engine, HELPER_IMAGE_OURS);
	i->loaded = true;
	return 0;
}

static int open_tar(int *file, int64_t *size, struct err *err)
{
	cleanup_free char *path = hire_find_image();
	cleanup_close int fd = -1;
	struct stat st;

	if (!path) {
		err_set(err, -ENOENT, "the node has no image %s, and there is no image.tar beside "
			"our program: name one with --helper-image", HELPER_IMAGE_OURS);
		return HELPER_IMAGE_E_NONE;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, "cannot read %s", path);
	*file = take_fd(&fd);
	*size = st.st_size;
	return 0;
}

static int check_machine(struct engine *e, const char *machine, struct err *err)
{
	cleanup_json json_t *j = NULL;
	cleanup_buf struct buf theirs = BUF_INIT(256);
	int r = engine_get(e, "/version", &j, err);

	if (r)
		return r < 0 ? r : -EIO;
	buf_add_safe(&theirs, jx_str(j, "Arch", "?"));
	if (!strcmp(theirs.data, machine))
		return 0;
	err_set(err, -ENOEXEC, "the node is %s and the image %s: name one for it with "
		"--helper-image", theirs.data, machine);
	return HELPER_IMAGE_E_NONE;
}

static int find_ours(struct helper_image *i, struct err *err)
{
	cleanup_close int file = -1;
	bool present = false;
	int64_t size = 0;
	int r = is_present(i->engine, HELPER_IMAGE_OURS, &present, err);

	if (r || present) {
		i->name = xstrdup(HELPER_IMAGE_OURS);
		return r;
	}
	i->name = xstrdup(HELPER_IMAGE_LOADED);
	r = is_present(i->engine, HELPER_IMAGE_LOADED, &present, err);
	i->loaded = present;
	if (r || present)
		return r;
	r = check_machine(i->engine, our_machine(), err);
	if (!r)
		r = open_tar(&file, &size, err);
	return r ? r : load(i, file, size, err);
}

/* ---- the user's ---- */

/* Without tag or digest the Engine would pull all tags there are. */
static bool is_bare_name(const char *image)
{
	const char *slash = strrchr(image, '/');

	return !strchr(image, '@') && !strchr(slash ? slash : image, ':');
}

static int pull(struct helper_image *i, struct err *err)
{
	cleanup_free char *escaped = engine_escape(i->wanted);
	cleanup_free char *path = xasprintf("/images/create?fromImage=%s%s", escaped,
					    is_bare_name(i->wanted) ? "&tag=latest" : "");
	struct err why = ERR_INIT;
	int r = call(i, path, -1, 0, HELPER_PULL_MS, &why);

	if (!r)
		return 0;
	err_set(err, r, "the node cannot pull the image %s: %s", i->wanted, why.text);
	return r == -ECANCELED ? r : HELPER_IMAGE_E_NONE;
}

static int find_wanted(struct helper_image *i, struct err *err)
{
	bool present = false;
	int r = is_present(i->engine, i->wanted, &present, err);

	if (r)
		return r;
	i->name = xstrdup(i->wanted);
	if (present)
		return 0;
	if (i->pull)
		return pull(i, err);
	err_set(err, -ENOENT, "the node has no image %s: load it there, or let it be pulled with "
		"--pull", i->wanted);
	return HELPER_IMAGE_E_NONE;
}

int helper_image_find(struct helper_image *i, struct err *err)
{
	int r = i->wanted ? find_wanted(i, err) : find_ours(i, err);
	cleanup_json json_t *j = NULL;

	if (!r)
		r = inspect(i->engine, i->name, &j, err);
	if (!r)
		r = check_machine(i->engine, jx_str(j, "Architecture", ""), err);
	if (r) {
		free(i->name);
		i->name = NULL;
	}
	return r;
}

void helper_image_drop(struct engine *e)
{
	untag(e, HELPER_IMAGE_LOADED);
}
