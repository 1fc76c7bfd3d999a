/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_local.c - any answers of the node's engine: a place, a list, or a sentence
 *
 * The input is a list of answers, given in turn and over again; a number is a refusal. The
 * modules are compiled in here, so that their engine, and the way into a namespace, are ours.
 */
#include "engine.h"
#include "fuzz.h"
#include "../../agent/iface.h"
#include "../../agent/local.h"
#include "../../agent/netns.h"

#include <string.h>

static const json_t *answers;
static size_t turn;		/* which of them comes now */

static int fake_get(struct engine *e, const char *path, json_t **out, struct err *err)
{
	json_t *answer = json_array_get(answers, turn++ % json_array_size(answers));

	if (path[0] != '/' || strpbrk(path, " \r\n"))
		abort();
	if (json_is_integer(answer))
		return engine_decode_error((long)json_integer_value(answer), "", 0, err);
	*out = json_incref(answer);
	return 0;
}

static int fake_run(int ns, netns_fn *fn, void *arg, struct err *err)
{
	return 0;
}

#define engine_get fake_get
#define netns_run fake_run
#include "../../agent/local.c"
#include "../../agent/local_list.c"

static void find(const struct node *n, const char *task_id)
{
	struct wire_wanted w = {
		.kind = WIRE_TASK, .key = (char *)"web.1", .container_id = (char *)"c/1?",
		.task_id = (char *)task_id,
	};
	struct local_place place;
	struct err err = ERR_INIT;
	int rc = local_find(NULL, n, &w, &place, &err);

	turn = 0;
	expect(rc == 0 ? err.code == 0 : rc < 0 && err.code == rc && *err.text);
	expect(rc < 0 || (place.container_id && place.image));
	expect(rc < 0 || !place.netns_file || !strchr(place.netns_file, '/'));
	local_place_release(&place);
}

static void list(const struct node *n, const char *service)
{
	cleanup_json json_t *out = NULL;
	struct err err = ERR_INIT;
	int rc = local_list(NULL, n, service, &out, &err);

	turn = 0;
	expect(rc == 0 ? json_is_array(jx_get(out, "targets")) : err.code < 0 && *err.text);
	for (size_t i = 0; i < jx_len(out, "targets"); i++)
		expect(json_is_object(json_array_get(jx_get(out, "targets"), i)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node n = { .netns_dir = (char *)"/proc/self/ns" };
	cleanup_json json_t *root = NULL;

	if (jx_parse((const char *)data, size, "the input", &root, NULL) < 0 ||
	    !json_array_size(root))
		return 0;
	answers = root;
	find(&n, NULL);
	find(&n, "t1");
	list(&n, NULL);
	list(&n, "web");
	return 0;
}
