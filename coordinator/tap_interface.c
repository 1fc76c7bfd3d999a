/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_interface.c - which interface of a tapped namespace a packet is from
 *
 * SLL2 headers carry the kernel's numbers; what they are called was said before the first packet
 * by `ip -o link` in the namespace. A number that nobody has seen yet (a network was connected
 * meanwhile) is asked for, and its interface block stands in the file before its first packet.
 */
#include "tap_parts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tap_stream.h"
#include "tap_talk.h"

#define ASK_MS 1500
#define ASKS_MAX 3		/* unanswered ones; then nobody is asked any more */

static int declare(struct tap_run *r, const struct tap_interface *i, uint16_t link_type,
		   struct err *err)
{
	size_t n = fileset_interfaces(r->file);
	char *addresses[TAP_ADDRESSES_MAX], text[32];
	const struct fileset_interface one = {
		.name = i->name, .link_type = link_type,
		.link_text = tap_link_text(link_type, text), .mac = i->has_mac ? i->mac : NULL,
		.addresses = addresses, .n_addresses = i->n_addresses,
		.loopback = !strcmp(i->name, "lo"),
	};

	for (size_t k = 0; k < i->n_addresses; k++)
		addresses[k] = (char *)i->addresses[k];
	r->indices = xrealloc(r->indices, n + 1, sizeof(*r->indices));
	r->indices[n] = i->index;
	return fileset_declare(r->file, &one, err);
}

static int declare_name(struct tap_run *r, const char *name, uint16_t link_type, struct err *err)
{
	const struct tap_talk *h = r->feed.heard;
	struct tap_interface one = { 0 };

	for (size_t i = 0; i < h->n_interfaces; i++)
		if (!strcmp(h->interfaces[i].name, name))
			return declare(r, &h->interfaces[i], link_type, err);
	snprintf(one.name, sizeof(one.name), "%s", name);
	return declare(r, &one, link_type, err);
}

static int declare_all(struct tap_run *r, uint16_t link_type, struct err *err)
{
	const struct tap_talk *h = r->feed.heard;
	int rc = 0;

	for (size_t i = 0; !rc && i < h->n_interfaces; i++)
		if (h->interfaces[i].up)
			rc = declare(r, &h->interfaces[i], link_type, err);
	if (!rc && !fileset_interfaces(r->file))
		rc = declare_name(r, "any", link_type, err);
	return rc;
}

int tap_run_declare(struct tap_run *r, uint16_t link_type, struct err *err)
{
	const char *wanted = r->t->tap->arm.interface;

	r->link_type = link_type;
	if (wanted)
		return declare_name(r, wanted, link_type, err);
	if (link_type == TAP_LINK_SLL2)
		return declare_all(r, link_type, err);
	tap_note(r->t, "the node's tcpdump does not tell interfaces apart: all packets are on 'any'");
	return declare_name(r, "any", link_type, err);
}

int tap_run_declare_told(struct tap_run *r, const struct tap_event *e, struct err *err)
{
	return declare_name(r, e->interface.name ? e->interface.name : "unknown", e->link_type,
			    err);
}

/* The namespace's interfaces again; known ones stay as they are. */
static void ask(struct tap_run *r)
{
	const char *word = r->t->tap->at.source->list;
	struct tap_talk *h = r->feed.heard;
	unsigned before = h->listed;
	int64_t until = clock_mono_ns() + ASK_MS * NS_PER_MS;

	if (!word || r->feed.stdin_fd < 0 || r->unanswered >= ASKS_MAX)
		return;
	if (write(r->feed.stdin_fd, word, strlen(word)) < 0)
		return;
	while (h->listed == before && clock_mono_ns() < until)
		if (tap_read_talk(&r->feed, 100))
			break;
	r->unanswered = h->listed == before ? r->unanswered + 1 : 0;
}

static int declare_late(struct tap_run *r, int64_t index, struct err *err)
{
	const struct tap_interface *known = tap_talk_find(r->feed.heard, index);
	struct tap_interface one = { .index = index };

	if (!known) {
		ask(r);
		known = tap_talk_find(r->feed.heard, index);
	}
	if (known)
		return declare(r, known, r->link_type, err);
	snprintf(one.name, sizeof(one.name), "ifindex-%lld", (long long)index);
	return declare(r, &one, r->link_type, err);
}

int tap_run_interface(struct tap_run *r, int64_t index, uint32_t *out, struct err *err)
{
	size_t n = fileset_interfaces(r->file);
	int rc;

	*out = 0;
	if (index < 0 || r->t->tap->arm.interface)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (r->indices[i] == index) {
			*out = (uint32_t)i;
			return 0;
		}
	if (n >= WIRE_INTERFACES_MAX)
		return 0;
	rc = declare_late(r, index, err);
	*out = (uint32_t)n;
	if (!rc)
		tap_run_show_interfaces(r);
	return rc;
}

static char *mac_text(const struct tap_interface *i)
{
	const uint8_t *m = i->mac;

	return i->has_mac ? xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
				      m[4], m[5])
			  : NULL;
}

/* What the report shows: the interfaces that have a block in a file. */
void tap_run_show_interfaces(struct tap_run *r)
{
	const struct tap_talk *h = r->feed.heard;
	struct wire_target *s = r->t->seen;
	size_t n = fileset_interfaces(r->file);
	char text[32];

	pthread_mutex_lock(&r->t->tap->lock);
	s->interfaces = xrealloc(s->interfaces, n + 1, sizeof(*s->interfaces));
	for (size_t i = s->n_interfaces; i < n && i < WIRE_INTERFACES_MAX; i++) {
		const struct tap_interface *known = tap_talk_find(h, r->indices[i]);

		s->interfaces[s->n_interfaces++] = (struct wire_interface){
			.name = known ? xstrdup(known->name)
				      : xstrdup(fileset_interface_name(r->file, i)),
			.index = r->indices[i], .mtu = known ? known->mtu : 0,
			.mac = known ? mac_text(known) : NULL,
			.link_type = xstrdup(tap_link_text(fileset_link_type(r->file, i), text)),
		};
	}
	pthread_mutex_unlock(&r->t->tap->lock);
}
