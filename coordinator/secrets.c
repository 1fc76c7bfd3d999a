/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets.c - the agent's certificates as secrets of the Swarm
 */
#include "secrets.h"

#include "digest.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#define FILE_MAX (64u << 10)
#define NAME_DIGITS 8

static const struct {
	const char *stem, *file;
} kinds[SERVICE_N_SECRETS] = {
	[SERVICE_CA] = { "ca", "ca.pem" },
	[SERVICE_CERT] = { "cert", "agent.pem" },
	[SERVICE_KEY] = { "key", "agent-key.pem" },
};

static void wipe(char **text)
{
	if (*text)
		gnutls_memset(*text, 0, strlen(*text));
	free(*text);
	*text = NULL;
}

static char *name_of(const char *stem, const char *content)
{
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];

	digest_add(d, content, strlen(content));
	digest_end(d, hex);
	return xasprintf("swarmcap-%s-%.*s", stem, NAME_DIGITS, hex);
}

static char *base64(const char *content)
{
	gnutls_datum_t in = { (unsigned char *)content, (unsigned int)strlen(content) };
	gnutls_datum_t out = { NULL, 0 };
	char *text;

	if (gnutls_base64_encode2(&in, &out) < 0)
		util_out_of_memory();
	text = xasprintf("%.*s", (int)out.size, out.data);
	gnutls_memset(out.data, 0, out.size);
	gnutls_free(out.data);
	return text;
}

static int list(struct engine *e, json_t **out, struct err *err)
{
	cleanup_free char *filters = engine_filters("label", "swarmcap=1", NULL);
	cleanup_free char *path = xasprintf("/secrets?%s", filters);
	int r = engine_get(e, path, out, err);

	return r > 0 ? -EIO : r;
}

/* The id of the secret of this name, borrowed from the list; NULL. */
static const char *find(const json_t *all, const char *name)
{
	size_t i;
	json_t *one;

	json_array_foreach(all, i, one)
		if (!strcmp(jx_str(one, "Spec.Name", ""), name))
			return jx_str(one, "ID", NULL);
	return NULL;
}

static int create(struct engine *e, const char *name, const char *content, char **id,
		  struct err *err)
{
	cleanup(wipe) char *data = base64(content);
	cleanup_json json_t *body = json_pack("{s:s, s:{s:s}, s:s}", "Name", name, "Labels",
					      "swarmcap", "1", "Data", data);
	cleanup_json json_t *answer = NULL;
	int r = engine_send(e, "POST", "/secrets/create", body, &answer, err);

	if (r != 0) {
		err_add(err, " (making the secret '%s')", name);
		return r > 0 ? -EIO : r;
	}
	*id = xstrdup(jx_str(answer, "ID", ""));
	return 0;
}

static int ensure_one(struct engine *e, const json_t *all, const char *path, const char *stem,
		      struct service_secret *out, struct err *err)
{
	cleanup(wipe) char *content = util_read_file(path, FILE_MAX);
	const char *id;

	if (!content)
		return err_errno(err, "cannot read '%s'", path);
	out->name = name_of(stem, content);
	id = find(all, out->name);
	if (!id)
		return create(e, out->name, content, &out->id, err);
	out->id = xstrdup(id);
	return 0;
}

int secrets_ensure(struct engine *e, const struct creds *c, struct secrets *out, struct err *err)
{
	const char *const files[SERVICE_N_SECRETS] = {
		[SERVICE_CA] = c->ca_file,
		[SERVICE_CERT] = c->agent_file,
		[SERVICE_KEY] = c->agent_key_file,
	};
	cleanup_secrets struct secrets s = SECRETS_INIT;
	cleanup_json json_t *all = NULL;
	int r = list(e, &all, err);

	for (int i = 0; i < SERVICE_N_SECRETS && r == 0; i++) {
		s.items[i].file = kinds[i].file;
		r = ensure_one(e, all, files[i], kinds[i].stem, &s.items[i], err);
	}
	if (r != 0)
		return r;
	*out = s;
	s = (struct secrets)SECRETS_INIT;
	return 0;
}

static bool kept(const struct secrets *keep, const char *id)
{
	for (int i = 0; keep && i < SERVICE_N_SECRETS; i++)
		if (!strcmp(keep->items[i].id, id))
			return true;
	return false;
}

int secrets_sweep(struct engine *e, const struct secrets *keep, struct err *err)
{
	cleanup_json json_t *all = NULL;
	int r = list(e, &all, err);
	size_t i;
	json_t *one;

	if (r != 0)
		return r;
	json_array_foreach(all, i, one) {
		const char *id = jx_str(one, "ID", "");
		cleanup_free char *segment = engine_escape(id);
		cleanup_free char *path = xasprintf("/secrets/%s", segment);

		if (kept(keep, id))
			continue;
		r = engine_send(e, "DELETE", path, NULL, NULL, err);
		if (r != 0 && r != ENGINE_E_NOT_FOUND)
			return r > 0 ? -EIO : r;
		err_reset(err);
	}
	return 0;
}

void secrets_release(struct secrets *s)
{
	for (int i = 0; i < SERVICE_N_SECRETS; i++) {
		free(s->items[i].id);
		free(s->items[i].name);
	}
	*s = (struct secrets)SECRETS_INIT;
}
