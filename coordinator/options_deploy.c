/* SPDX-License-Identifier: Apache-2.0
 *
 * options_deploy.c - options of deploy, those that go on to the agents among them
 */
#include "options_parts.h"

#include "units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define RING_BYTES_MIN (1ULL << 20)	/* as agent/options.h */
#define RING_BYTES_MAX (1ULL << 40)

/* The agent reads it once more, by the same rules; one that refused it would start again and again. */
static int set_agent_size(struct request *r, int setting, const char *value, struct err *err)
{
	uint64_t bytes;

	if (units_parse_size(value, &bytes) || bytes > INT64_MAX)
		return err_set(err, -EINVAL, "--%s '%s': not a size, as in 10G",
			       service_settings[setting], value);
	r->settings[setting] = value;
	return 0;
}

int options_set_quota(struct request *r, const char *value, struct err *err)
{
	return set_agent_size(r, SERVICE_QUOTA, value, err);
}

int options_set_floor(struct request *r, const char *value, struct err *err)
{
	return set_agent_size(r, SERVICE_FLOOR, value, err);
}

int options_set_ring_bytes(struct request *r, const char *value, struct err *err)
{
	uint64_t bytes = RING_BYTES_MIN;

	if (!units_parse_size(value, &bytes) && (bytes < RING_BYTES_MIN || bytes > RING_BYTES_MAX))
		return err_set(err, -EINVAL, "--ring-bytes '%s': not from 1M to 1024G", value);
	return set_agent_size(r, SERVICE_RING_BYTES, value, err);
}

int options_set_keep(struct request *r, const char *value, struct err *err)
{
	int64_t ms;

	if (units_parse_duration(value, &ms))
		return err_set(err, -EINVAL, "--keep '%s': not a duration, as in 24h", value);
	r->settings[SERVICE_KEEP] = value;
	return 0;
}

int options_set_image(struct request *r, const char *value, struct err *err)
{
	if (!*value || strpbrk(value, " \t\n"))
		return err_set(err, -EINVAL, "--image '%s': not the name of an image", value);
	r->image = value;
	return 0;
}

/* An address, or a network: each node listens on its own address within it. */
int options_set_listen(struct request *r, const char *value, struct err *err)
{
	cleanup_free char *text = xstrdup(value);
	char *slash = strchr(text, '/');
	struct in6_addr address;
	uint64_t bits = 1;
	bool v4, v6;

	if (slash)
		*slash++ = '\0';
	v4 = inet_pton(AF_INET, text, &address) == 1;
	v6 = inet_pton(AF_INET6, text, &address) == 1;
	if ((!v4 && !v6) || (slash && units_parse_u64(slash, 0, v4 ? 32 : 128, &bits) < 0))
		return err_set(err, -EINVAL, "--listen '%s': not an address or a network, as in "
			       "10.0.0.0/24", value);
	if (!strcmp(text, "0.0.0.0") || !strcmp(text, "::") || bits == 0)
		return err_set(err, -EINVAL, "--listen '%s': an agent never listens on every "
			       "address", value);
	r->listen = value;
	return 0;
}

int options_set_port(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, 1, 65535, &n) < 0)
		return err_set(err, -EINVAL, "--port '%s': not a port from 1 to 65535", value);
	r->port = (uint16_t)n;
	return 0;
}

int options_set_rotate(struct request *r, const char *value, struct err *err)
{
	r->rotate = true;
	return 0;
}
