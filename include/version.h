/* SPDX-License-Identifier: Apache-2.0
 *
 * version.h - what we are called
 */
#ifndef VERSION_H
#define VERSION_H

#define SWARMCAP_VERSION "0.1.0"
#define SWARMCAP_API 1			/* of the agent: the v1 in its paths */
#define SWARMCAP_PORT 9473
#define SWARMCAP_SERVICE "swarmcap-agent"	/* the global service, and its image's name */
/* Names in certificates: the server's subjectAltName, the client's common name. */
#define SWARMCAP_AGENT_NAME "swarmcap-agent"
#define SWARMCAP_CLIENT_NAME "swarmcap-client"

#endif
