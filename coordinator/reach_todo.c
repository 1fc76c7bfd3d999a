/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_todo.c - the routes whose module is not here yet; weak, and gone with the last of them
 */
#include "hire.h"
#include "reach.h"

#include <errno.h>

static int todo(const char *what, struct err *err)
{
	err_set(err, -ENOSYS, "%s is not built yet", what);
	return REACH_E_CLOSED;
}

__attribute__((weak)) char *hire_find_image(void)
{
	return NULL;
}

__attribute__((weak)) int hire_local(struct link **out, const struct hire *h,
				     const char *engine_socket, struct err *err)
{
	return todo("the route local", err);
}

__attribute__((weak)) int hire_push(struct link **out, const struct hire *h, struct remote *r,
				    struct err *err)
{
	return todo("the route ssh-push", err);
}
