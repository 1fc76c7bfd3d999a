/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_fields.c - the tables behind wire.h: each field's name, type and bounds
 */
#include "wire_fields.h"

#include <string.h>

const char *const wire_kind_words[6] = {
	"task", "container", "host", "ingress", "network", "lb",
};
const char *const wire_end_words[12] = {
	NULL, "duration", "bytes", "packets", "stopped", "task-ended", "lease-expired",
	"disk-floor", "quota", "agent-lost", "node-lost", "error",
};
static const char *const format_words[] = { "pcapng", "pcap" };
static const char *const target_words[] = { "armed", "ended", "failed" };
static const char *const capture_words[] = { "finished", "running" };

/* ---- what texts must look like ---- */

#define LETTERS_DIGITS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool made_of(const char *s, size_t max, const char *alphabet)
{
	size_t n = strspn(s, alphabet);

	return n > 0 && n <= max && !s[n];
}

static bool is_key(const char *s)
{
	return made_of(s, 128, LETTERS_DIGITS "._-");
}

static bool is_engine_id(const char *s)
{
	return made_of(s, 128, LETTERS_DIGITS);
}

static bool is_file_name(const char *s)
{
	return s[0] != '.' && made_of(s, 127, LETTERS_DIGITS "._-");
}

static bool is_token(const char *s)
{
	return strlen(s) == WIRE_TOKEN_HEX - 1 &&
	       strspn(s, "0123456789abcdef") == WIRE_TOKEN_HEX - 1;
}

static const struct wire_check check_id = { names_is_id, "is no capture id" };
static const struct wire_check check_token = { is_token, "is not 32 hex digits" };
static const struct wire_check check_xxh128 = { checksum_is_hex, "is no XXH128 in hex" };
static const struct wire_check check_key = {
	is_key, "is not 1 to 128 characters of A-Za-z0-9._-"
};
static const struct wire_check check_engine_id = {
	is_engine_id, "is not 1 to 128 characters of A-Za-z0-9"
};
static const struct wire_check check_file = {
	is_file_name, "is not 1 to 127 characters of A-Za-z0-9._- with no dot in front"
};

/* ---- rows ---- */

#define ROW(s, member, t) \
	.name = #member, .type = (t), .offset = offsetof(struct s, member), \
	.width = sizeof(((struct s *)0)->member)
#define TEXT(s, member) \
	{ ROW(s, member, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .flags = WIRE_F_CUT }
#define TEXT_NULL(s, member) \
	{ ROW(s, member, WIRE_T_TEXT_NULL), .max = WIRE_TEXT_MAX, .flags = WIRE_F_CUT }
#define ENGINE_ID(s, member) \
	{ ROW(s, member, WIRE_T_TEXT_NULL), .max = WIRE_TEXT_MAX, .check = &check_engine_id }
#define CHARS(s, member, c, f) \
	{ ROW(s, member, WIRE_T_CHARS), .max = WIRE_TEXT_MAX, .check = &(c), .flags = (f) }
#define COUNT(s, member) { ROW(s, member, WIRE_T_INT), .max = WIRE_COUNT_MAX }
#define TIME(s, member) { ROW(s, member, WIRE_T_INT), .max = WIRE_TIME_MAX }
#define BOOL(s, member) { ROW(s, member, WIRE_T_BOOL) }
#define WORDS(w) .words = (w), .n_words = ARRAY_SIZE(w)
#define TEXTS(s, member, most, f) \
	{ ROW(s, member, WIRE_T_TEXTS), .count = offsetof(struct s, n_##member), \
	  .max = (most), .flags = (f) }
#define LIST(s, member, of, most, f) \
	{ ROW(s, member, WIRE_T_LIST), .count = offsetof(struct s, n_##member), \
	  .max = (most), .flags = (f), .shape = &(of) }
#define SHAPE(s, rows) { sizeof(struct s), (rows), ARRAY_SIZE(rows) }

static const struct wire_field network_fields[] = {
	TEXT(wire_network, name),
	ENGINE_ID(wire_network, id),
	COUNT(wire_network, vni),
	TEXTS(wire_network, addresses, WIRE_ADDRESSES_MAX, 0),
};
static const struct wire_shape network_shape = SHAPE(wire_network, network_fields);

static const struct wire_field wanted_fields[] = {
	{ ROW(wire_wanted, key, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .check = &check_key,
	  .flags = WIRE_F_REQUIRED },
	{ ROW(wire_wanted, kind, WIRE_T_ENUM), WORDS(wire_kind_words), .flags = WIRE_F_REQUIRED },
	TEXT(wire_wanted, label),
	ENGINE_ID(wire_wanted, container_id),
	ENGINE_ID(wire_wanted, task_id),
	{ ROW(wire_wanted, filter, WIRE_T_TEXT_NULL), .max = FILTER_MAX },
	LIST(wire_wanted, networks, network_shape, WIRE_NETWORKS_MAX, 0),
};
static const struct wire_shape wanted_shape = SHAPE(wire_wanted, wanted_fields);

static const struct wire_field service_fields[] = {
	{ ROW(wire_service, id, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .check = &check_engine_id,
	  .flags = WIRE_F_REQUIRED },
	TEXT(wire_service, name),
	TEXTS(wire_service, except, WIRE_EXCEPT_MAX, 0),
};
static const struct wire_shape service_shape = SHAPE(wire_service, service_fields);

static const struct wire_field host_fields[] = {
	TEXT(wire_host, address),
	TEXT(wire_host, name),
};
static const struct wire_shape host_shape = SHAPE(wire_host, host_fields);

static const struct wire_field limit_fields[] = {
	{ ROW(wire_arm, max_bytes, WIRE_T_LIMIT), .max = WIRE_COUNT_MAX },
	{ ROW(wire_arm, max_packets, WIRE_T_LIMIT), .max = WIRE_COUNT_MAX },
	{ ROW(wire_arm, rotate_bytes, WIRE_T_LIMIT), .max = WIRE_COUNT_MAX },
	{ ROW(wire_arm, rotate_ms, WIRE_T_LIMIT), .max = WIRE_DEADLINE_MAX_MS },
	{ ROW(wire_arm, keep_files, WIRE_T_LIMIT), .max = WIRE_FILES_MAX },
};
static const struct wire_shape limit_shape = SHAPE(wire_arm, limit_fields);

static const struct wire_field arm_fields[] = {
	{ .name = "version", .type = WIRE_T_VERSION },
	CHARS(wire_arm, id, check_id, WIRE_F_REQUIRED),
	{ ROW(wire_arm, node_id, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .flags = WIRE_F_REQUIRED },
	TEXT(wire_arm, node_name),
	BOOL(wire_arm, attached),
	BOOL(wire_arm, live),
	{ ROW(wire_arm, lease_ms, WIRE_T_INT), .max = WIRE_DEADLINE_MAX_MS },
	{ ROW(wire_arm, deadline_ms, WIRE_T_INT), .min = 1, .max = WIRE_DEADLINE_MAX_MS,
	  .flags = WIRE_F_REQUIRED },
	{ ROW(wire_arm, filter, WIRE_T_TEXT_NULL), .max = FILTER_MAX },
	{ ROW(wire_arm, interface, WIRE_T_TEXT_NULL), .max = WIRE_TEXT_MAX },
	{ ROW(wire_arm, snaplen, WIRE_T_INT), .min = 1, .max = WIRE_SNAPLEN_MAX,
	  .flags = WIRE_F_REQUIRED },
	{ ROW(wire_arm, format, WIRE_T_ENUM), WORDS(format_words) },
	{ .name = "limits", .type = WIRE_T_PART, .shape = &limit_shape },
	LIST(wire_arm, targets, wanted_shape, WIRE_TARGETS_MAX, WIRE_F_REQUIRED),
	LIST(wire_arm, follow, service_shape, WIRE_FOLLOW_MAX, 0),
	LIST(wire_arm, hosts, host_shape, WIRE_HOSTS_MAX, 0),
	{ ROW(wire_arm, context, WIRE_T_OBJECT), .max = WIRE_CONTEXT_MAX },
};
const struct wire_shape wire_arm_shape = SHAPE(wire_arm, arm_fields);

static const struct wire_field interface_fields[] = {
	TEXT(wire_interface, name),
	COUNT(wire_interface, index),
	TEXT_NULL(wire_interface, mac),
	COUNT(wire_interface, mtu),
	TEXT(wire_interface, link_type),
	TEXTS(wire_interface, addresses, WIRE_ADDRESSES_MAX, 0),
	COUNT(wire_interface, peer),
	TEXT_NULL(wire_interface, master),
	COUNT(wire_interface, vni),
	TEXTS(wire_interface, offloads, WIRE_OFFLOADS_MAX, WIRE_F_CUT),
};
static const struct wire_shape interface_shape = SHAPE(wire_interface, interface_fields);

static const struct wire_field file_fields[] = {
	{ ROW(wire_file, name, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .check = &check_file,
	  .flags = WIRE_F_REQUIRED },
	COUNT(wire_file, bytes),
	COUNT(wire_file, packets),
	TIME(wire_file, first_ns),
	TIME(wire_file, last_ns),
	CHARS(wire_file, xxh128, check_xxh128, WIRE_F_OMIT),
	{ ROW(wire_file, segment, WIRE_T_INT), .max = INT32_MAX },
	{ ROW(wire_file, suffix, WIRE_T_TEXT_NULL), .max = WIRE_TEXT_MAX, .check = &check_key },
	BOOL(wire_file, recovered),
};
static const struct wire_shape file_shape = SHAPE(wire_file, file_fields);

static const struct wire_field gap_fields[] = {
	TIME(wire_gap, from_ns),
	TIME(wire_gap, to_ns),
	TEXT(wire_gap, why),
};
static const struct wire_shape gap_shape = SHAPE(wire_gap, gap_fields);

static const struct wire_field target_fields[] = {
	{ ROW(wire_target, key, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .check = &check_key,
	  .flags = WIRE_F_REQUIRED },
	{ ROW(wire_target, state, WIRE_T_ENUM), WORDS(target_words), .flags = WIRE_F_REQUIRED },
	{ ROW(wire_target, end, WIRE_T_ENUM), WORDS(wire_end_words) },
	TEXT_NULL(wire_target, error),
	BOOL(wire_target, absent),
	TEXT_NULL(wire_target, same_as),
	ENGINE_ID(wire_target, container_id),
	TEXT_NULL(wire_target, image),
	TIME(wire_target, started_ns),
	TIME(wire_target, stopped_ns),
	COUNT(wire_target, packets),
	COUNT(wire_target, bytes),
	COUNT(wire_target, received),
	COUNT(wire_target, dropped_kernel),
	COUNT(wire_target, dropped_agent),
	COUNT(wire_target, truncated),
	LIST(wire_target, interfaces, interface_shape, WIRE_INTERFACES_MAX, 0),
	LIST(wire_target, files, file_shape, WIRE_FILES_MAX, 0),
	LIST(wire_target, gaps, gap_shape, WIRE_GAPS_MAX, 0),
	TEXTS(wire_target, notes, WIRE_NOTES_MAX, WIRE_F_CUT),
};
static const struct wire_shape target_shape = SHAPE(wire_target, target_fields);

static const struct wire_field joined_fields[] = {
	{ ROW(wire_joined, key, WIRE_T_TEXT), .max = WIRE_TEXT_MAX, .check = &check_key,
	  .flags = WIRE_F_REQUIRED },
	TEXT(wire_joined, service),
	ENGINE_ID(wire_joined, service_id),
	TEXT(wire_joined, task),
	ENGINE_ID(wire_joined, task_id),
	COUNT(wire_joined, slot),
	TIME(wire_joined, joined_ns),
	LIST(wire_joined, networks, network_shape, WIRE_NETWORKS_MAX, 0),
};
static const struct wire_shape joined_shape = SHAPE(wire_joined, joined_fields);

static const struct wire_field report_fields[] = {
	CHARS(wire_report, id, check_id, WIRE_F_REQUIRED),
	CHARS(wire_report, token, check_token, WIRE_F_OMIT),
	{ ROW(wire_report, node_id, WIRE_T_TEXT), .max = WIRE_TEXT_MAX,
	  .flags = WIRE_F_REQUIRED },
	TEXT(wire_report, node_name),
	TEXT(wire_report, version),
	{ .name = "state", .type = WIRE_T_BOOL_WORD, .flags = WIRE_F_REQUIRED,
	  .offset = offsetof(struct wire_report, running), .width = sizeof(bool),
	  WORDS(capture_words) },
	BOOL(wire_report, attached),
	BOOL(wire_report, live),
	BOOL(wire_report, fetched),
	TIME(wire_report, armed_ns),
	TIME(wire_report, now_ns),
	TIME(wire_report, window_start_ns),
	TIME(wire_report, window_stop_ns),
	TEXT_NULL(wire_report, dropped),
	{ ROW(wire_report, context, WIRE_T_OBJECT), .max = WIRE_CONTEXT_MAX },
	LIST(wire_report, targets, target_shape, WIRE_TARGETS_MAX + WIRE_JOINED_MAX,
	     WIRE_F_REQUIRED),
	LIST(wire_report, joined, joined_shape, WIRE_JOINED_MAX, 0),
	COUNT(wire_report, not_joined),
};
const struct wire_shape wire_report_shape = SHAPE(wire_report, report_fields);

static const struct wire_field info_fields[] = {
	COUNT(wire_info, api),
	TEXT(wire_info, version),
	TEXT(wire_info, hostname),
	TEXT(wire_info, node_id),
	TEXT(wire_info, node_address),
	TEXT(wire_info, engine),
	TEXT(wire_info, kernel),
	COUNT(wire_info, spool_free),
	COUNT(wire_info, spool_size),
	COUNT(wire_info, spool_used),
	TIME(wire_info, certificate_expires_ns),
	COUNT(wire_info, captures_running),
	COUNT(wire_info, captures_unfetched),
	BOOL(wire_info, netns_ok),
	TEXT_NULL(wire_info, netns_note),
};
const struct wire_shape wire_info_shape = SHAPE(wire_info, info_fields);
