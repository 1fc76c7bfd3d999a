/* SPDX-License-Identifier: Apache-2.0
 *
 * context.c - which Engine is meant: options, environment and contexts, as the docker CLI does it
 *
 * A name is chosen first: "default" is what the options, DOCKER_HOST and the TLS variables say;
 * any other name is looked up in docker's store and nothing of the environment applies to it but
 * DOCKER_API_VERSION and the headers.
 */
#include "context.h"

#include "digest.h"
#include "jx.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

static char *config_dir(void)
{
	const char *dir = environment("DOCKER_CONFIG");

	return *dir ? xstrdup(dir) : xasprintf("%s/.docker", environment("HOME"));
}

/* NULL: there is none, or it is broken, which is said and no error: docker goes on too. */
static json_t *read_config(const char *dir)
{
	cleanup_free char *path = xasprintf("%s/config.json", dir);
	cleanup_free char *text = util_read_file(path, FILE_MAX);
	struct err why = ERR_INIT;
	json_t *j = NULL;

	if (text && jx_parse(text, strlen(text), path, &j, &why) < 0) {
		log_warn("docker's configuration is not read: %s", why.text);
		return NULL;
	}
	return j;
}

/* ---- headers ---- */

struct headers {
	char **list;
	size_t n;
};

static bool is_field(const char *s, bool name)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == '\x7f' || (name && strchr(" :\t", *s)))
			return false;
	return true;
}

static int add_header(struct headers *h, const char *name, const char *value, struct err *err)
{
	if (!*name || !is_field(name, true) || !is_field(value, false))
		return err_set(err, -EINVAL, "docker's configuration names a header that cannot "
			       "be sent");
	if (h->n == ENDPOINT_HEADERS_MAX)
		return err_set(err, -EINVAL, "docker's configuration names more than %d headers",
			       ENDPOINT_HEADERS_MAX);
	if (!h->list)
		h->list = xcalloc(ENDPOINT_HEADERS_MAX + 1, sizeof(*h->list));
	/* curl's way to send a header without a value is a semicolon */
	h->list[h->n++] = *value ? xasprintf("%s: %s", name, value) : xasprintf("%s;", name);
	return 0;
}

/* One field of a line of CSV, unquoted in place; *s goes to the next, NULL after the last. */
static char *csv_field(char **s)
{
	char *out = *s, *to = out, *p = out;
	bool quoted = *p == '"';

	for (p += quoted; *p && (quoted || *p != ','); p++) {
		if (quoted && *p == '"' && p[1] != '"') {
			quoted = false;
			continue;
		}
		p += quoted && *p == '"';
		*to++ = *p;
	}
	*s = *p ? p + 1 : NULL;
	*to = '\0';
	return out;
}

static int headers_of_environment(struct headers *h, struct err *err)
{
	cleanup_free char *text = xstrdup(environment("DOCKER_CUSTOM_HEADERS"));
	char *rest = *text ? text : NULL;
	int rc = 0;

	while (rest && rc == 0) {
		char *field = csv_field(&rest), *value = strchr(field, '=');

		if (!value)
			return err_set(err, -EINVAL, "DOCKER_CUSTOM_HEADERS is not a list of "
				       "name=value");
		*value++ = '\0';
		rc = add_header(h, field, value, err);
	}
	return rc;
}

static int find_headers(struct endpoint *out, const json_t *config, struct err *err)
{
	struct headers h = { 0 };
	const char *name;
	json_t *value;
	int rc = 0;

	if (*environment("DOCKER_CUSTOM_HEADERS"))
		rc = headers_of_environment(&h, err);
	else
		json_object_foreach(json_object_get(config, "HttpHeaders"), name, value)
			if (rc == 0 && json_is_string(value))
				rc = add_header(&h, name, json_string_value(value), err);
	out->headers = h.list;
	return rc;
}

/* ---- TLS ---- */

static char *file_if_there(const char *dir, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);

	return access(path, F_OK) == 0 ? xstrdup(path) : NULL;
}

static bool wants_tls(const struct request *r)
{
	return r->tls || r->tls_verify || *environment("DOCKER_TLS_VERIFY") ||
	       *environment("DOCKER_TLS");
}

static int check_pair(const struct endpoint *e, struct err *err)
{
	if (!e->cert_file != !e->key_file)
		return err_set(err, -EINVAL, "TLS to Docker needs a certificate and its key, and "
			       "only one of them is there: '%s'",
			       e->cert_file ? e->cert_file : e->key_file);
	return 0;
}

static int find_default_tls(struct endpoint *e, const struct request *r, const char *config,
			    struct err *err)
{
	const char *dir = *environment("DOCKER_CERT_PATH") ? environment("DOCKER_CERT_PATH") :
							     config;

	e->tls_verify = r->tls_verify || *environment("DOCKER_TLS_VERIFY");
	e->ca_file = r->tls_ca ? xstrdup(r->tls_ca) : xasprintf("%s/ca.pem", dir);
	e->cert_file = r->tls_cert ? xstrdup(r->tls_cert) : file_if_there(dir, "cert.pem");
	e->key_file = r->tls_key ? xstrdup(r->tls_key) : file_if_there(dir, "key.pem");
	if (access(e->ca_file, R_OK) < 0)
		return err_errno(err, "cannot read the authority of Docker's certificate, '%s'",
				 e->ca_file);
	return check_pair(e, err);
}

/* ---- where ---- */

static int find_default(struct endpoint *out, const struct request *r, const char *config,
			struct err *err)
{
	const char *host = r->engine_host ? r->engine_host : environment("DOCKER_HOST");
	int rc = endpoint_parse(out, host, wants_tls(r), err);

	if (rc < 0)
		return rc;
	out->context = xstrdup("default");
	return out->tls ? find_default_tls(out, r, config, err) : 0;
}

int context_decode(const char *text, size_t len, const char *name, struct endpoint *out,
		   struct err *err)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *what = xasprintf("the docker context '%.64s'", name);
	const json_t *at;
	int rc;

	*out = (struct endpoint)ENDPOINT_INIT;
	if (jx_parse(text, len, what, &j, err) < 0)
		return -EINVAL;
	at = json_object_get(json_object_get(j, "Endpoints"), "docker");
	if (!json_is_object(at))
		return err_set(err, -EINVAL, "%s has no endpoint for docker", what);
	if (strcmp(jx_str(j, "Name", ""), name))
		return err_set(err, -EINVAL, "%s is stored under another's name", what);
	rc = endpoint_parse(out, jx_str(at, "Host", ""), false, err);
	if (rc < 0)
		return rc;
	out->tls_verify = !jx_bool(at, "SkipTLSVerify", false);
	out->context = xstrdup(name);
	return 0;
}

static void hash_name(const char *name, char out[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, name, strlen(name));
	digest_end(d, out);
}

/* A named context's TLS: on when any of its files is there, or when it says not to verify. */
static int find_stored_tls(struct endpoint *e, const char *config, const char *hash,
			   struct err *err)
{
	cleanup_free char *dir = xasprintf("%s/contexts/tls/%s/docker", config, hash);

	if (e->kind != ENDPOINT_TCP)
		return 0;
	e->ca_file = file_if_there(dir, "ca.pem");
	e->cert_file = file_if_there(dir, "cert.pem");
	e->key_file = file_if_there(dir, "key.pem");
	e->tls = e->ca_file || e->cert_file || e->key_file || !e->tls_verify;
	return check_pair(e, err);
}

static int find_stored(struct endpoint *out, const char *name, const char *config, struct err *err)
{
	cleanup_free char *path = NULL, *text = NULL;
	char hash[DIGEST_HEX];
	int rc;

	if (!*name || name[strspn(name, NAME_LETTERS)])
		return err_set(err, -EINVAL, "'%.64s' is not the name of a docker context", name);
	hash_name(name, hash);
	path = xasprintf("%s/contexts/meta/%s/meta.json", config, hash);
	text = util_read_file(path, FILE_MAX);
	if (!text)
		return err_errno(err, "there is no docker context '%.64s' (docker context ls): "
				 "cannot read '%s'", name, path);
	rc = context_decode(text, strlen(text), name, out, err);
	return rc < 0 ? rc : find_stored_tls(out, config, hash, err);
}

static const char *choose_name(const struct request *r, const json_t *config)
{
	const char *name;

	if (r->context)
		return r->context;
	if (r->engine_host || *environment("DOCKER_HOST"))
		return "default";
	name = environment("DOCKER_CONTEXT");
	if (!*name)
		name = jx_str(config, "currentContext", "");
	return *name ? name : "default";
}

int context_resolve(struct endpoint *out, const struct request *r, struct err *err)
{
	cleanup_free char *dir = config_dir();
	cleanup_json json_t *config = read_config(dir);
	const char *name = choose_name(r, config), *version = environment("DOCKER_API_VERSION");
	int rc;

	*out = (struct endpoint)ENDPOINT_INIT;
	if (r->context && r->engine_host)
		return err_set(err, -EINVAL, "-H and --context contradict each other");
	if (!strcmp(name, "default"))
		rc = find_default(out, r, dir, err);
	else
		rc = find_stored(out, name, dir, err);
	if (rc == 0)
		rc = find_headers(out, config, err);
	if (rc < 0) {
		endpoint_release(out);
		return rc;
	}
	out->api_version = *version ? xstrdup(version) : NULL;
	return 0;
}

int context_open(struct engine **out, const struct request *r, struct err *err)
{
	cleanup_endpoint struct endpoint at = ENDPOINT_INIT;
	int rc = context_resolve(&at, r, err);

	return rc < 0 ? rc : engine_open(out, &at, NULL, err);
}
