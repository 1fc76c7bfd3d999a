/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_login.c - from a connected socket to a session that is logged in
 *
 * The session does not block: each step is tried again as its socket moves, until the time is over or
 * the command was cancelled.
 */
#include "remote_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define STEP_MS 100
#define QUESTION_S 120		/* a person types */
#define ANSWER_MAX 256

int remote_patience(const struct remote_login *l)
{
	struct pollfd p = { .fd = ssh_get_fd(l->session), .events = POLLIN };

	if (l->place->cancel && *l->place->cancel)
		return -ECANCELED;
	if (clock_mono_ns() > l->until_ns)
		return -ETIMEDOUT;
	poll(&p, 1, STEP_MS);
	return 0;
}

/* libssh's words, made safe: they may hold the server's. */
static int said(const struct remote_login *l, int code, const char *what, struct err *err)
{
	cleanup_buf struct buf words = BUF_INIT(1024);
	char cut[256];

	snprintf(cut, sizeof(cut), "%s", ssh_get_error(l->session));
	buf_add_safe(&words, cut);
	return err_set(err, code, "%s %s: %s", what, l->name, words.data);
}

static int out_of_patience(const struct remote_login *l, int rc, struct err *err)
{
	if (rc == -ECANCELED)
		return err_set(err, rc, "interrupted");
	return err_set(err, rc, "%s does not finish ssh's handshake within %d s", l->name,
		       REMOTE_LOGIN_MS / 1000);
}

int remote_handshake(const struct remote_login *l, struct err *err)
{
	int rc, late;

	while ((rc = ssh_connect(l->session)) == SSH_AGAIN) {
		late = remote_patience(l);
		if (late < 0)
			return out_of_patience(l, late, err);
	}
	if (rc == SSH_OK)
		return 0;
	said(l, -ECONNRESET, "no ssh with", err);
	return ssh_get_serverbanner(l->session) && !strstr(err->text, "reset") &&
	       !strstr(err->text, "isconnected") && !strstr(err->text, "closed") ?
		-ECONNRESET : REMOTE_E_AGAIN;
}

/* ---- the host's key ---- */

static char *fingerprint(ssh_session s)
{
	unsigned char *hash = NULL;
	char *text = NULL, *copy;
	ssh_key key = NULL;
	size_t n;

	if (ssh_get_server_publickey(s, &key) != SSH_OK)
		return xstrdup("of unknown kind");
	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == 0)
		text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n);
	copy = xasprintf("%s %s", ssh_key_type_to_char(ssh_key_type(key)), text ? text : "?");
	ssh_clean_pubkey_hash(&hash);
	ssh_string_free_char(text);
	ssh_key_free(key);
	return copy;
}

/*
 * The news of all files; *file: the one that it stands in. A changed key in any of them counts more than
 * the right one in another, and that more than a key of another type.
 */
static enum ssh_known_hosts_e look_up(const struct remote_login *l, const char **file)
{
	enum ssh_known_hosts_e best = SSH_KNOWN_HOSTS_UNKNOWN;
	const char *both[2 * REMOTE_FILES_MAX];
	size_t n = 0;

	for (size_t i = 0; l->config->user_known_hosts[i]; i++)
		both[n++] = l->config->user_known_hosts[i];
	for (size_t i = 0; l->config->global_known_hosts[i]; i++)
		both[n++] = l->config->global_known_hosts[i];
	*file = l->config->user_known_hosts[0];
	for (size_t i = 0; i < n; i++) {
		enum ssh_known_hosts_e found;

		ssh_options_set(l->session, SSH_OPTIONS_KNOWNHOSTS, both[i]);
		ssh_options_set(l->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
		found = ssh_session_is_known_server(l->session);
		if (found == SSH_KNOWN_HOSTS_CHANGED ||
		    (found == SSH_KNOWN_HOSTS_OK && best != SSH_KNOWN_HOSTS_OK) ||
		    (found == SSH_KNOWN_HOSTS_OTHER && best == SSH_KNOWN_HOSTS_UNKNOWN)) {
			best = found;
			*file = both[i];
		}
		if (found == SSH_KNOWN_HOSTS_CHANGED)
			break;
	}
	return best;
}

/* An ordinary file, or none yet: /dev/null is a name that people configure, and root may do all to it. */
static bool is_writable_list(const char *file)
{
	struct stat st;

	if (!file)
		return false;
	return stat(file, &st) < 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static int write_down(const struct remote_login *l, const char *file, struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	cleanup_free char *dir = xstrdup_null(file);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int rc, fd;

	if (!is_writable_list(file) || !slash)
		return err_set(err, -EKEYREJECTED,
			       "the host key of %s cannot be noted: no UserKnownHostsFile is an "
			       "ordinary file", l->name);
	pthread_mutex_lock(&lock);
	*slash = '\0';
	mkdir(dir, 0700);
	/* only what we made ourselves gets our mode */
	fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	util_close(fd);
	ssh_options_set(l->session, SSH_OPTIONS_KNOWNHOSTS, file);
	rc = ssh_session_update_known_hosts(l->session);
	pthread_mutex_unlock(&lock);
	return rc == SSH_OK ? 0 : said(l, -EIO, "cannot write down the key of", err);
}

/* The host as ssh-keygen -R wants it. */
static char *listed_name(const struct remote_config *c)
{
	return c->port == 22 || c->host_key_alias ?
		xstrdup(c->host_key_alias ? c->host_key_alias : c->hostname) :
		xasprintf("[%s]:%u", c->hostname, c->port);
}

int remote_check_key(const struct remote_login *l, struct err *err)
{
	cleanup_free char *print = fingerprint(l->session), *listed = listed_name(l->config);
	const char *file;

	switch (look_up(l, &file)) {
	case SSH_KNOWN_HOSTS_OK:
		return 0;
	case SSH_KNOWN_HOSTS_CHANGED:
	case SSH_KNOWN_HOSTS_OTHER:
		return err_set(err, -EKEYREJECTED,
			       "the host key of %s is not the one in '%s': it shows %s. Somebody may be "
			       "in between. If the host was set up anew: ssh-keygen -R '%s' -f '%s'",
			       l->name, file, print, listed, file);
	case SSH_KNOWN_HOSTS_UNKNOWN:
	case SSH_KNOWN_HOSTS_NOT_FOUND:
		if (l->place->accept_new)
			return write_down(l, file, err);
		return err_set(err, -EKEYREJECTED,
			       "the host key of %s is not known: it shows %s. Compare it, then log in "
			       "once with ssh, or use --ssh-accept-new", l->name, print);
	default:
		return said(l, -EKEYREJECTED, "cannot check the host key of", err);
	}
}

/* ---- who we are ---- */

struct attempt {
	const struct remote_login *login;
	int tried;
	bool partial;		/* one of several was accepted */
};

/* 0: in; 1: no; -errno */
static int verdict(struct attempt *a, int rc)
{
	a->tried++;
	if (rc == SSH_AUTH_SUCCESS)
		return 0;
	a->partial |= rc == SSH_AUTH_PARTIAL;
	return 1;
}

static bool is_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* A person's answer to a question on the terminal; -1: none. */
static int ask(const char *question, char *out, size_t size, bool echo)
{
	char prompt[ANSWER_MAX];

	if (!is_terminal())
		return -1;
	snprintf(prompt, sizeof(prompt), "%s", question);
	return ssh_getpass(prompt, out, size, echo, 0);
}

static int on_passphrase(const char *prompt, char *out, size_t size, int echo, int verify, void *arg)
{
	cleanup_free char *question = xasprintf("passphrase of '%s': ", (const char *)arg);

	return ask(question, out, size, false);
}

static int try_agent(struct attempt *a)
{
	const struct remote_login *l = a->login;
	const char *agent = l->config->identity_agent;
	int rc;

	if (agent && !strcmp(agent, "none"))
		return 1;
	if (agent)
		ssh_options_set(l->session, SSH_OPTIONS_IDENTITY_AGENT, agent);
	else if (!getenv("SSH_AUTH_SOCK"))
		return 1;
	while ((rc = ssh_userauth_agent(l->session, NULL)) == SSH_AUTH_AGAIN) {
		int late = remote_patience(l);

		if (late < 0)
			return late;
	}
	return rc == SSH_AUTH_ERROR ? 1 : verdict(a, rc);
}

static int offer(struct attempt *a, ssh_key key)
{
	int rc, late;

	while ((rc = ssh_userauth_publickey(a->login->session, NULL, key)) == SSH_AUTH_AGAIN) {
		late = remote_patience(a->login);
		if (late < 0)
			return late;
	}
	return verdict(a, rc);
}

/* The key with a certificate first, when there is one beside it or named for it. */
static int offer_certified(struct attempt *a, ssh_key key, const char *certificate)
{
	ssh_key cert = NULL, certified;
	int rc = 1;

	if (access(certificate, R_OK) < 0)
		return 1;
	/* a certificate stays on its key: the next one, and the bare key, need a clean one */
	certified = ssh_key_dup(key);
	if (ssh_pki_import_cert_file(certificate, &cert) == SSH_OK &&
	    ssh_pki_copy_cert_to_privkey(cert, certified) == SSH_OK)
		rc = offer(a, certified);
	ssh_key_free(cert);
	ssh_key_free(certified);
	return rc;
}

static int try_identity(struct attempt *a, const char *file)
{
	const struct remote_config *c = a->login->config;
	cleanup_free char *beside = xasprintf("%s-cert.pub", file);
	ssh_key key = NULL;
	int rc = 1;

	if (access(file, R_OK) < 0 ||
	    ssh_pki_import_privkey_file(file, NULL, on_passphrase, (void *)(uintptr_t)file,
					&key) != SSH_OK)
		return 1;
	for (size_t i = 0; rc == 1 && c->certificate_files[i]; i++)
		rc = offer_certified(a, key, c->certificate_files[i]);
	if (rc == 1)
		rc = offer_certified(a, key, beside);
	if (rc == 1)
		rc = offer(a, key);
	ssh_key_free(key);
	return rc;
}

static int try_password(struct attempt *a)
{
	const struct remote_login *l = a->login;
	cleanup_free char *question = xasprintf("password of %s: ", l->name);
	char answer[ANSWER_MAX] = "";
	int rc;

	if (ask(question, answer, sizeof(answer), false) < 0)
		return 1;
	while ((rc = ssh_userauth_password(l->session, NULL, answer)) == SSH_AUTH_AGAIN)
		if (remote_patience(l) < 0)
			break;
	explicit_bzero(answer, sizeof(answer));
	return verdict(a, rc);
}

static int answer_all(ssh_session s)
{
	char answer[ANSWER_MAX], echo;
	int n = ssh_userauth_kbdint_getnprompts(s);

	for (int i = 0; i < n; i++) {
		const char *prompt = ssh_userauth_kbdint_getprompt(s, (unsigned int)i, &echo);
		cleanup_buf struct buf safe = BUF_INIT(1024);

		buf_add_safe(&safe, prompt ? prompt : "");
		answer[0] = '\0';
		if (ask(safe.data, answer, sizeof(answer), echo) < 0)
			return -1;
		ssh_userauth_kbdint_setanswer(s, (unsigned int)i, answer);
	}
	explicit_bzero(answer, sizeof(answer));
	return 0;
}

static int try_questions(struct attempt *a)
{
	const struct remote_login *l = a->login;
	int rc;

	while ((rc = ssh_userauth_kbdint(l->session, NULL, NULL)) == SSH_AUTH_INFO ||
	       rc == SSH_AUTH_AGAIN) {
		if (rc == SSH_AUTH_INFO && answer_all(l->session) < 0)
			return 1;
		if (rc == SSH_AUTH_AGAIN && remote_patience(l) < 0)
			return -ETIMEDOUT;
	}
	return verdict(a, rc);
}

static int ask_methods(const struct remote_login *l)
{
	int rc;

	while ((rc = ssh_userauth_none(l->session, NULL)) == SSH_AUTH_AGAIN) {
		int late = remote_patience(l);

		if (late < 0)
			return late;
	}
	return rc == SSH_AUTH_SUCCESS ? 0 : rc == SSH_AUTH_ERROR ? -ECONNRESET : 1;
}

static int refused(const struct attempt *a, int methods, struct err *err)
{
	return err_set(err, -EACCES,
		       "%s does not let us in: %d keys were tried; it takes%s%s%s (ssh-add, or "
		       "IdentityFile in ~/.ssh/config)", a->login->name, a->tried,
		       methods & SSH_AUTH_METHOD_PUBLICKEY ? " publickey" : "",
		       methods & SSH_AUTH_METHOD_PASSWORD ? " password" : "",
		       methods & SSH_AUTH_METHOD_INTERACTIVE ? " keyboard-interactive" : "");
}

int remote_authenticate(const struct remote_login *login, struct err *err)
{
	struct remote_login l = *login;
	struct attempt a = { .login = &l };
	int methods, rc = ask_methods(&l);

	if (is_terminal())
		l.until_ns += QUESTION_S * NS_PER_S;
	methods = ssh_userauth_list(l.session, NULL);
	if (rc == 1 && !l.config->identities_only)
		rc = try_agent(&a);
	for (size_t i = 0; rc == 1 && l.config->identity_files[i]; i++)
		rc = try_identity(&a, l.config->identity_files[i]);
	/* an encrypted key may be held by the agent only; libssh cannot ask it for that one alone */
	if (rc == 1 && l.config->identities_only)
		rc = try_agent(&a);
	if (rc == 1 && methods & SSH_AUTH_METHOD_INTERACTIVE && is_terminal())
		rc = try_questions(&a);
	if (rc == 1 && methods & SSH_AUTH_METHOD_PASSWORD && is_terminal())
		rc = try_password(&a);
	if (rc == 0)
		return 0;
	if (rc == 1)
		return refused(&a, methods, err);
	if (rc == -ECONNRESET)
		return said(&l, rc, "no login at", err);
	return out_of_patience(&l, rc, err);
}
