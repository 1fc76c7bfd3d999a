/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_filter.c - any expression: a sentence or a program, and never a look-up
 *
 * The C library's look-ups are ours in this program, for libpcap too. libpcap reads numeric
 * addresses by getaddrinfo(); whatever else arrives there is a name that the tokenizer missed.
 */
#include "filter.h"
#include "fuzz.h"

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <string.h>

static bool is_numeric(const char *node)
{
	return strspn(node, "0123456789ABCDEFabcdef:.") == strlen(node) &&
	       (strchr(node, ':') || !node[strspn(node, "0123456789.")]);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (!node || service || !is_numeric(node))
		abort();
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, res);
}

struct hostent *gethostbyname(const char *name)
{
	abort();
}

int getnetbyname_r(const char *name, struct netent *entry, char *room, size_t size,
		   struct netent **found, int *error)
{
	abort();
}

int getprotobyname_r(const char *name, struct protoent *entry, char *room, size_t size,
		     struct protoent **found)
{
	abort();
}

int ether_hostton(const char *name, struct ether_addr *address)
{
	abort();
}

/* Without names there is nothing to resolve. */
static void expect_same(const char *expr)
{
	cleanup_free char *out = NULL;

	if (filter_resolve(expr, &out, NULL) != 0 || strcmp(out, expr) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *expr = xmalloc(size + 1);
	struct err err = ERR_INIT;
	bool names;
	int rc;

	if (size)
		memcpy(expr, data, size);
	expr[size] = '\0';

	names = filter_has_names(expr);
	rc = filter_check(expr, &err);
	if (rc != err.code || (rc < 0 && !*err.text))
		abort();
	if (rc == 0 && !names)
		expect_same(expr);
	return 0;
}
