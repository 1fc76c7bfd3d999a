/* SPDX-License-Identifier: Apache-2.0
 *
 * hire.c - where the agent's program and its image are on this machine
 */
#include "hire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The folder of our own program. */
static char *own_dir(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	return xstrdup(path);
}

/* In one of the folders of list; NULL: in none. */
static char *find_in(const char *list, const char *name)
{
	while (*list) {
		int n = (int)strcspn(list, ":");
		cleanup_free char *path = xasprintf("%.*s/%s", n, list, name);

		if (n > 0 && access(path, X_OK) == 0)
			return take_ptr(&path);
		list += n;
		list += *list == ':';
	}
	return NULL;
}

char *hire_find_agent(void)
{
	cleanup_free char *dir = own_dir();
	const char *path = getenv("PATH");
	char *found = dir ? find_in(dir, "swarmcap-agent") : NULL;

	return found || !path ? found : find_in(path, "swarmcap-agent");
}

char *hire_find_image(void)
{
	static const char *const places[] = { "image.tar", "../share/swarmcap/image.tar" };
	const char *named = getenv("SWARMCAP_IMAGE");
	cleanup_free char *dir = own_dir();

	if (named && *named)
		return access(named, R_OK) == 0 ? xstrdup(named) : NULL;
	for (size_t i = 0; dir && i < ARRAY_SIZE(places); i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, places[i]);

		if (access(path, R_OK) == 0)
			return take_ptr(&path);
	}
	return NULL;
}
