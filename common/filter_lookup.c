/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_lookup.c - numbers for one name of a pcap-filter expression
 *
 * The qualifiers choose: `ip host` takes no IPv6 address (libpcap would refuse it), `udp port`
 * only what is a UDP service. A port name without transport stands for its TCP, UDP and SCTP
 * numbers, which are one number for nearly all.
 */
#include "filter_lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#define NAME_BYTES_MAX 253
#define VALUES_MAX 64
#define LOOKUP_ROOM 8192

struct values {
	char text[VALUES_MAX][INET6_ADDRSTRLEN];
	size_t n;
};

/* Each once; past VALUES_MAX none. */
static void add_value(struct values *v, const char *text)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->text[i], text) == 0)
			return;
	if (v->n < VALUES_MAX)
		snprintf(v->text[v->n++], sizeof(v->text[0]), "%s", text);
}

static int write_values(const struct values *v, struct buf *out)
{
	int rc = v->n > 1 ? buf_add(out, "(", 1) : 0;

	for (size_t i = 0; rc == 0 && i < v->n; i++)
		rc = buf_addf(out, "%s%s", i > 0 ? " or " : "", v->text[i]);
	if (rc == 0 && v->n > 1)
		rc = buf_add(out, ")", 1);
	return rc;
}

/* The family that fits what qualifies the name. */
static int family(enum filter_of of)
{
	if (of == FILTER_OF_IP || of == FILTER_OF_ARP)
		return AF_INET;
	return of == FILTER_OF_IP6 ? AF_INET6 : AF_UNSPEC;
}

static void add_address(struct values *v, const struct sockaddr *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (a->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof(text));
	if (a->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, text,
			  sizeof(text));
	if (*text)
		add_value(v, text);
}

static int lookup_host(const char *name, enum filter_of of, struct values *v, struct err *err)
{
	struct addrinfo hints = { .ai_family = family(of), .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(name, NULL, &hints, &list);

	for (struct addrinfo *a = list; rc == 0 && a; a = a->ai_next)
		add_address(v, a->ai_addr);
	if (list)
		freeaddrinfo(list);

	if (v->n == 0)
		return err_set(err, -ENOENT, "cannot resolve the filter's host name '%s': %s: "
			       "give its address as a number", name,
			       rc ? gai_strerror(rc) : "it has no address");
	return 0;
}

static void add_port(struct values *v, const char *name, const char *transport)
{
	struct servent entry, *found = NULL;
	char room[LOOKUP_ROOM], text[8];

	if (getservbyname_r(name, transport, &entry, room, sizeof(room), &found) != 0 || !found)
		return;
	snprintf(text, sizeof(text), "%u", ntohs((uint16_t)found->s_port));
	add_value(v, text);
}

static void find_ports(const char *name, enum filter_of of, struct values *v)
{
	bool any = of != FILTER_OF_TCP && of != FILTER_OF_UDP && of != FILTER_OF_SCTP;

	if (any || of == FILTER_OF_TCP)
		add_port(v, name, "tcp");
	if (any || of == FILTER_OF_UDP)
		add_port(v, name, "udp");
	if (any || of == FILTER_OF_SCTP)
		add_port(v, name, "sctp");
}

static int no_port(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "the filter's port '%s' is not known: give its number", name);
}

static int lookup_port(const char *name, enum filter_of of, struct values *v, struct err *err)
{
	find_ports(name, of, v);
	return v->n > 0 ? 0 : no_port(name, err);
}

/* One end of a range: a number or a name, of several ports the first. NULL: neither. */
static const char *range_end(const char *end, enum filter_of of, struct values *v)
{
	v->n = 0;
	if (*end && strspn(end, "0123456789") == strlen(end))
		return end;
	find_ports(end, of, v);
	return v->n > 0 ? v->text[0] : NULL;
}

/* Service names have dashes of their own: each dash is tried as the one between the ends. */
static int lookup_range(const char *name, enum filter_of of, struct values *v, struct err *err)
{
	for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
		cleanup_free char *first = xstrdup(name);
		struct values low_room, high_room;
		const char *low, *high;
		char text[INET6_ADDRSTRLEN];

		first[dash - name] = '\0';
		low = range_end(first, of, &low_room);
		high = low ? range_end(dash + 1, of, &high_room) : NULL;
		if (!high)
			continue;
		snprintf(text, sizeof(text), "%.20s-%.20s", low, high);
		add_value(v, text);
		return 0;
	}
	return no_port(name, err);
}

static int lookup_proto(const char *name, struct values *v, struct err *err)
{
	struct protoent entry, *found = NULL;
	char room[LOOKUP_ROOM], text[16];

	if (getprotobyname_r(name, &entry, room, sizeof(room), &found) != 0 || !found)
		return err_set(err, -ENOENT, "the filter's protocol '%s' is not known: "
			       "give its number", name);
	snprintf(text, sizeof(text), "%d", found->p_proto);
	add_value(v, text);
	return 0;
}

int filter_lookup(const struct filter_token *t, struct buf *out, struct err *err)
{
	struct values v = { .n = 0 };
	char name[NAME_BYTES_MAX + 1];
	int rc;

	if (t->name_len > NAME_BYTES_MAX)
		return err_set(err, -ENOENT, "a name in the filter is too long: %zu bytes, at "
			       "most %d", t->name_len, NAME_BYTES_MAX);
	memcpy(name, t->name, t->name_len);
	name[t->name_len] = '\0';

	if (t->kind == FILTER_PORT)
		rc = lookup_port(name, t->of, &v, err);
	else if (t->kind == FILTER_PORTRANGE)
		rc = lookup_range(name, t->of, &v, err);
	else if (t->kind == FILTER_PROTO)
		rc = lookup_proto(name, &v, err);
	else
		rc = lookup_host(name, t->of, &v, err);

	return rc < 0 ? rc : write_values(&v, out);
}
