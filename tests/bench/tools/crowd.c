// SPDX-License-Identifier: Apache-2.0
/*
 * crowd.c - an Engine that answers for a Swarm which does not exist: 50 nodes and 1,000 tasks
 *
 *	crowd SOCKET [TASKS]	serves GETs on a unix socket until it is ended
 *
 * The answers are generated, in the shape of Docker 20.10's (tests/unit/data has recorded ones), always the same:
 * nodes node01 to node50, the first three managers, node49 down, node50 with Windows; stacks shop0 to shop4 of eight
 * services of 25 tasks each, every stack on an overlay of its own (shop0_default, VNI 4097, and so on); each slot has
 * a dead task too. Tasks run on node01 to node48, but shop4_svc7.25 on node49. Nothing filters but the label of the
 * agents' service, which no service has, and the runtime 'attachment', which no task has.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NODES 50
#define STACKS 5
#define PER_STACK 8
#define SERVICES (STACKS * PER_STACK)
#define REQUEST_MAX (1 << 20)

static int tasks = 1000;

struct text {
	char *at;
	size_t n;
	FILE *f;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vfprintf(t->f, fmt, ap) < 0)
		exit(1);
	va_end(ap);
}

static void begin(struct text *t)
{
	t->f = open_memstream(&t->at, &t->n);
	if (!t->f)
		exit(1);
}

/* ---- the Swarm ---- */

#define DATE "2026-11-23T22:41:09.895764488Z"

static void put_info(struct text *t)
{
	put(t, "{\"ID\":\"CROWD\",\"Name\":\"node01\",\"OSType\":\"linux\",\"Architecture\":\"x86_64\",\"ServerVersion\":\"20.10.24\","
	       "\"Swarm\":{\"NodeID\":\"node0000000000000000000001\",\"NodeAddr\":\"10.50.0.1\",\"LocalNodeState\":\"active\","
	       "\"ControlAvailable\":true,\"Error\":\"\",\"Nodes\":%d,\"Managers\":3,\"Cluster\":{\"ID\":\"crowd00000000000000000000\","
	       "\"DataPathPort\":4789}}}", NODES);
}

static void put_nodes(struct text *t)
{
	put(t, "[");
	for (int i = 1; i <= NODES; i++) {
		put(t, "%s{\"ID\":\"node%022d\",\"Version\":{\"Index\":%d},\"CreatedAt\":\"" DATE "\",\"UpdatedAt\":\"" DATE "\","
		       "\"Spec\":{\"Labels\":{},\"Role\":\"%s\",\"Availability\":\"active\"},\"Description\":{\"Hostname\":\"node%02d\","
		       "\"Platform\":{\"Architecture\":\"x86_64\",\"OS\":\"%s\"},\"Resources\":{\"NanoCPUs\":2000000000,"
		       "\"MemoryBytes\":25276502016},\"Engine\":{\"EngineVersion\":\"20.10.24\",\"Plugins\":[{\"Type\":\"Log\","
		       "\"Name\":\"json-file\"},{\"Type\":\"Network\",\"Name\":\"overlay\"}]}},\"Status\":{\"State\":\"%s\","
		       "\"Addr\":\"10.50.0.%d\"}", i > 1 ? "," : "", i, 10 + i, i <= 3 ? "manager" : "worker", i,
		    i == NODES ? "windows" : "linux", i == NODES - 1 ? "down" : "ready", i);
		if (i <= 3)
			put(t, ",\"ManagerStatus\":{\"Leader\":%s,\"Reachability\":\"reachable\",\"Addr\":\"10.50.0.%d:2377\"}",
			    i == 1 ? "true" : "false", i);
		put(t, "}");
	}
	put(t, "]");
}

static void put_service(struct text *t, int i)
{
	int stack = i / PER_STACK;

	put(t, "{\"ID\":\"service%018d\",\"Version\":{\"Index\":45},\"CreatedAt\":\"" DATE "\",\"UpdatedAt\":\"" DATE "\","
	       "\"Spec\":{\"Name\":\"shop%d_svc%d\",\"Labels\":{\"com.docker.stack.namespace\":\"shop%d\"},\"TaskTemplate\":"
	       "{\"ContainerSpec\":{\"Image\":\"shop:1\",\"Init\":false,\"DNSConfig\":{},\"Isolation\":\"default\"},"
	       "\"Resources\":{},\"Placement\":{},\"Networks\":[{\"Target\":\"overlay%018d\"}],\"ForceUpdate\":0,"
	       "\"Runtime\":\"container\"},\"Mode\":{\"Replicated\":{\"Replicas\":%d}},\"EndpointSpec\":{\"Mode\":\"vip\"}}}",
	    i, stack, i % PER_STACK, stack, stack, tasks / SERVICES);
}

static void put_services(struct text *t)
{
	put(t, "[");
	for (int i = 0; i < SERVICES; i++) {
		put(t, "%s", i ? "," : "");
		put_service(t, i);
	}
	put(t, "]");
}

static void put_network(struct text *t, int i)
{
	put(t, "%s{\"Name\":\"shop%d_default\",\"Id\":\"overlay%018d\",\"Created\":\"" DATE "\",\"Scope\":\"swarm\",\"Driver\":\"overlay\","
	       "\"EnableIPv6\":false,\"Internal\":false,\"Attachable\":false,\"Ingress\":false,\"Options\":"
	       "{\"com.docker.network.driver.overlay.vxlanid_list\":\"%d\"%s},\"Labels\":{}}", i ? "," : "", i, i, 4097 + i,
	    i == 4 ? ",\"encrypted\":\"\"" : "");
}

static void put_networks(struct text *t)
{
	put(t, "[");
	for (int i = 0; i < STACKS; i++)
		put_network(t, i);
	put(t, ",{\"Name\":\"ingress\",\"Id\":\"overlay%018d\",\"Scope\":\"swarm\",\"Driver\":\"overlay\",\"Ingress\":true,\"Options\":"
	       "{\"com.docker.network.driver.overlay.vxlanid_list\":\"4096\"}}]", 99);
}

/* Slots of a service are numbered from 1; a dead one comes before each. */
static void put_task(struct text *t, int i, bool dead)
{
	int service = i % SERVICES, slot = i / SERVICES + 1, stack = service / PER_STACK;
	int node = i == tasks - 1 ? NODES - 1 : i * 7 % (NODES - 2) + 1;
	int address = i / SERVICES * PER_STACK + service % PER_STACK + 2;

	put(t, "%s{\"ID\":\"%06dt%018d\",\"Version\":{\"Index\":83},\"CreatedAt\":\"" DATE "\",\"UpdatedAt\":\"" DATE "\",\"Labels\":{},"
	       "\"Spec\":{\"ContainerSpec\":{\"Image\":\"shop:1\",\"Labels\":{\"com.docker.stack.namespace\":\"shop%d\"},"
	       "\"Init\":false,\"StopGracePeriod\":1000000000,\"DNSConfig\":{},\"Isolation\":\"default\"},"
	       "\"Resources\":{\"Limits\":{},\"Reservations\":{}},\"Placement\":{},\"Networks\":[{\"Target\":\"overlay%018d\"}],"
	       "\"ForceUpdate\":0},\"ServiceID\":\"service%018d\",\"Slot\":%d,\"NodeID\":\"node%022d\",\"Status\":{\"Timestamp\":"
	       "\"" DATE "\",\"State\":\"%s\",\"Message\":\"%s\",\"ContainerStatus\":{\"ContainerID\":\"%012x%052x\",\"PID\":%d,"
	       "\"ExitCode\":0},\"PortStatus\":{}},\"DesiredState\":\"%s\",\"NetworksAttachments\":[{\"Network\":{\"ID\":"
	       "\"overlay%018d\",\"Version\":{\"Index\":22},\"CreatedAt\":\"" DATE "\",\"UpdatedAt\":\"" DATE "\",\"Spec\":"
	       "{\"Name\":\"shop%d_default\",\"Labels\":{},\"DriverConfiguration\":{\"Name\":\"overlay\"},\"IPAMOptions\":"
	       "{\"Driver\":{\"Name\":\"default\"}},\"Scope\":\"swarm\"},\"DriverState\":{\"Name\":\"overlay\",\"Options\":"
	       "{\"com.docker.network.driver.overlay.vxlanid_list\":\"%d\"}},\"IPAMOptions\":{\"Driver\":{\"Name\":\"default\"},"
	       "\"Configs\":[{\"Subnet\":\"10.%d.0.0/16\",\"Gateway\":\"10.%d.0.1\"}]}},\"Addresses\":[\"10.%d.%d.%d/16\"]}]}",
	    i || !dead ? "," : "", i, (int)dead, stack, stack, service, slot, node, dead ? "failed" : "running",
	    dead ? "failed" : "started", (dead ? 0xdead0000u : 0xcafe0000u) + (unsigned int)i, 0, 500 + i, dead ? "shutdown" : "running",
	    stack, stack, 4097 + stack, stack + 1, stack + 1, stack + 1, address / 250, address % 250);
}

static void put_tasks(struct text *t)
{
	put(t, "[");
	for (int i = 0; i < tasks; i++) {
		put_task(t, i, true);
		put_task(t, i, false);
	}
	put(t, "]");
}

/* ---- HTTP ---- */

/* GET /services/NAME; false: there is none. */
static bool put_one_service(struct text *t, const char *name)
{
	char known[64];

	for (int i = 0; i < SERVICES; i++) {
		snprintf(known, sizeof(known), "shop%d_svc%d", i / PER_STACK, i % PER_STACK);
		if (strcmp(known, name) == 0) {
			put_service(t, i);
			return true;
		}
	}
	return false;
}

static bool answer(struct text *t, char *path)
{
	char *query = strchr(path, '?');

	if (query)
		*query++ = '\0';
	if (strncmp(path, "/v1.41", 6) == 0)
		path += 6;
	if (strcmp(path, "/_ping") == 0)
		put(t, "OK");
	else if (strcmp(path, "/info") == 0)
		put_info(t);
	else if (strcmp(path, "/nodes") == 0)
		put_nodes(t);
	else if (query && (strstr(query, "swarmcap.port") || strstr(query, "attachment")))
		put(t, "[]");
	else if (strcmp(path, "/services") == 0)
		put_services(t);
	else if (strcmp(path, "/networks") == 0)
		put_networks(t);
	else if (strcmp(path, "/tasks") == 0)
		put_tasks(t);
	else if (strncmp(path, "/services/", 10) != 0 || !put_one_service(t, path + 10))
		return false;
	return true;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* What was generated once is kept: the time to make it is not an Engine's. */
static bool reply(int fd, char *path)
{
	static char kept_path[REQUEST_MAX];
	static struct text kept, head;
	bool found = true;

	if (strcmp(kept_path, path) != 0) {
		snprintf(kept_path, sizeof(kept_path), "%s", path);
		free(kept.at);
		begin(&kept);
		found = answer(&kept, path);
		fclose(kept.f);
		if (!found)
			kept_path[0] = '\0';
	}
	free(head.at);
	begin(&head);
	put(&head, "HTTP/1.1 %s\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    found ? "200 OK" : "404 Not Found", found ? kept.n : strlen("{\"message\":\"not found\"}"));
	fclose(head.f);
	return send_all(fd, head.at, head.n) &&
	       (found ? send_all(fd, kept.at, kept.n) : send_all(fd, "{\"message\":\"not found\"}", 23));
}

/* One connection to its end. */
static void serve(int fd)
{
	static char text[REQUEST_MAX + 1];
	static char path[REQUEST_MAX];
	size_t n = 0;

	for (;;) {
		char *end;
		ssize_t r = read(fd, text + n, REQUEST_MAX - n);

		if (r <= 0)
			return;
		n += (size_t)r;
		text[n] = '\0';
		while ((end = strstr(text, "\r\n\r\n"))) {
			if (sscanf(text, "GET %1048575s HTTP", path) != 1 || !reply(fd, path))
				return;
			n -= (size_t)(end + 4 - text);
			memmove(text, end + 4, n + 1);
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc < 2 || argc > 3 || strlen(argv[1]) >= sizeof(a.sun_path)) {
		fprintf(stderr, "usage: crowd SOCKET [TASKS]\n");
		return 2;
	}
	if (argc == 3)
		tasks = atoi(argv[2]) > 0 ? atoi(argv[2]) : tasks;
	strcpy(a.sun_path, argv[1]);
	unlink(a.sun_path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 16) < 0) {
		perror("crowd");
		return 1;
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		serve(fd);
		close(fd);
	}
}
