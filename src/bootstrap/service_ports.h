#pragma once
/*
 * The ports on the host that services ask for: their node ports, and for a load balancer its own ports, led to the node
 * ports. What cannot be opened (taken, not permitted) is told as an event of the service and tried again. One thread.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/driver.h"

#define SERVICE_PORTS_RETRY_US (5 * G_USEC_PER_SEC)
#define SERVICE_PORTS_TELL_AGAIN_US (30 * 60 * G_USEC_PER_SEC) /* events live an hour */

typedef struct ServicePorts ServicePorts;

/* EVENT: a v1 Event to be created in its namespace; borrowed. Called by service_ports_sync alone. */
typedef void (*ServicePortsTell)(const json_t *event, void *data);

/* SPEC's fixed ports are left alone. DRIVER and SPEC must outlive it. */
ServicePorts *service_ports_new(const Driver *driver, const MachineSpec *spec, ServicePortsTell tell, void *data);
void service_ports_free(ServicePorts *ports); /* what is open stays open */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServicePorts, service_ports_free)

/* Forgets the services, not what is open: all of them are about to be told anew. */
void service_ports_forget(ServicePorts *ports);

/* TYPE of a watch event: ADDED, MODIFIED or DELETED. */
void service_ports_note(ServicePorts *ports, const char *type, const json_t *service);

/* Closes what nobody wants any more and opens what is new. NOW_US: a monotonic clock. When to call it again for what
 * could not be opened; INT64_MAX: when something has changed. */
int64_t service_ports_sync(ServicePorts *ports, int64_t now_us);
