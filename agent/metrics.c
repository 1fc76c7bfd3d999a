/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c - what the agent counts over its life, as Prometheus text
 */
#include "metrics.h"
#include "version.h"

void metrics_count_request(struct metrics *m, unsigned status)
{
	if (status < METRICS_STATUS_MAX)
		atomic_fetch_add(&m->requests[status], 1);
}

struct line {
	const char *name, *type, *help;
	long long value;
};

static int format_requests(struct metrics *m, struct buf *out)
{
	int r = buf_addf(out, "# HELP swarmcap_requests_total Requests answered, by status.\n"
			 "# TYPE swarmcap_requests_total counter\n");

	for (size_t i = 0; !r && i < METRICS_STATUS_MAX; i++) {
		unsigned long long n = atomic_load(&m->requests[i]);

		if (n)
			r = buf_addf(out, "swarmcap_requests_total{code=\"%zu\"} %llu\n", i, n);
	}
	return r;
}

int metrics_format(struct metrics *m, const struct metrics_now *now, struct buf *out)
{
	const struct line lines[] = {
		{ "captures_total", "counter", "Captures armed.",
		  (long long)atomic_load(&m->captures) },
		{ "packets_total", "counter", "Packets written.",
		  (long long)atomic_load(&m->packets) },
		{ "bytes_total", "counter", "Bytes written.", (long long)atomic_load(&m->bytes) },
		{ "dropped_total", "counter", "Packets dropped by the kernel.",
		  (long long)atomic_load(&m->dropped) },
		{ "dropped_agent_total", "counter",
		  "Packets dropped by the agent because the disk was too slow.",
		  (long long)atomic_load(&m->dropped_agent) },
		{ "refused_peers_total", "counter", "Connections without the client's certificate.",
		  (long long)atomic_load(&m->refused_peers) },
		{ "captures_running", "gauge", "Captures running.",
		  (long long)now->captures_running },
		{ "captures_kept", "gauge", "Captures known, running ones included.",
		  (long long)now->captures_kept },
		{ "targets_running", "gauge", "Targets being captured.",
		  (long long)now->targets_running },
		{ "spool_used_bytes", "gauge", "Bytes taken of the spool's quota.",
		  now->spool_used },
		{ "spool_quota_bytes", "gauge", "The spool's quota.", now->spool_quota },
		{ "spool_free_bytes", "gauge", "Free bytes of its file system.", now->spool_free },
		{ "certificate_expiry_seconds", "gauge",
		  "When the agent's certificate ends, Unix time; 0: no TLS.",
		  (long long)(now->certificate_expires_ns / NS_PER_S) },
	};
	int r = buf_addf(out, "# HELP swarmcap_info What runs here.\n# TYPE swarmcap_info gauge\n"
			 "swarmcap_info{version=\"%s\"} 1\n", SWARMCAP_VERSION);

	for (size_t i = 0; !r && i < ARRAY_SIZE(lines); i++)
		r = buf_addf(out,
			     "# HELP swarmcap_%s %s\n# TYPE swarmcap_%s %s\nswarmcap_%s %lld\n",
			     lines[i].name, lines[i].help, lines[i].name, lines[i].type,
			     lines[i].name, lines[i].value);
	return r ? r : format_requests(m, out);
}
