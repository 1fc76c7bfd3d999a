/* SPDX-License-Identifier: Apache-2.0
 *
 * context.h - which Engine is meant: options, environment and contexts, as the docker CLI does it
 *
 * facts/swarm.md section 4. In this order: --context; -H; DOCKER_HOST when not empty;
 * DOCKER_CONTEXT; currentContext of $DOCKER_CONFIG/config.json (~/.docker); "default". -H beside
 * --context is refused. A named context is DIR/contexts/meta/SHA256(name)/meta.json with its TLS files
 * in DIR/contexts/tls/SHA256(name)/docker; one that is missing is an error, never a silent default.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "endpoint.h"
#include "engine.h"
#include "request.h"

/* Reads environment and files. -EINVAL: options contradict each other (exit 2); else -errno. */
int context_resolve(struct endpoint *out, const struct request *r, struct err *err);

/* The Engine itself, when it can be reached without ssh. */
int context_open(struct engine **out, const struct request *r, struct err *err);

/* Pure, for tests and the fuzzer: the docker endpoint of a meta.json's text into out's host, TLS. */
int context_decode(const char *text, size_t len, const char *name, struct endpoint *out,
		   struct err *err);

#endif
