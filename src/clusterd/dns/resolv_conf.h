#pragma once
/* The nameservers of a resolv.conf(5), read again when the file changes. Belongs to the DNS thread's event loop. */
#include <event2/event.h>

#include "clusterd/dns/server_list.h"

typedef struct ResolvConf ResolvConf;

typedef void (*ResolvConfChanged)(void *data);

/* Those of PATH that are not OWN_ADDRESS, at PORT. CHANGED is called when they have become others. */
ResolvConf *resolv_conf_new(struct event_base *base, const char *path, uint16_t port, const char *own_address,
                            ResolvConfChanged changed, void *data);
void resolv_conf_free(ResolvConf *conf);

/* Borrowed until the loop runs on. */
ServerList *resolv_conf_servers(const ResolvConf *conf);
