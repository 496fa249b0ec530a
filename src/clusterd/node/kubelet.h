#pragma once
/* The node agent: registers this machine as a Node and runs the pods that are bound to it. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"
#include "clusterd/node/logs/log_rotation.h"
#include "clusterd/node/pressure/pressure_settings.h"
#include "clusterd/node/runtime.h"
#include "clusterd/server/node_access.h"

typedef struct Kubelet Kubelet;

/* Makes service account tokens; has the shape of api_server_issue_token. */
typedef char *(*TokenIssuer)(void *data, const char *namespace_, const char *service_account,
                             const char *const *audiences, int64_t lifetime_seconds, const char *pod_name,
                             const char *pod_uid, int64_t *expires_us, GError **error);

typedef struct KubeletConfig {
  const char *node_name, *node_ip;
  const char *node_other_ip; /* of the other IP family; NULL: none */
  const char *pod_cidr;      /* shown as the node's: one range, or one of each family, comma-separated */
  const char *dns_ip, *dns_domain;
  const char *kubernetes_version;        /* "v1.32.0" */
  const char *pods_dir;                  /* "/var/lib/launcher/pods" */
  const char *logs_dir;                  /* "/var/log/pods" */
  const char *static_pods_dir;           /* "/etc/kubernetes/manifests"; NULL: no static pods */
  const char *const *unsafe_sysctls;     /* names and "prefix*" that pods may set besides safe ones; NULL: none */
  const LogLimits *log_limits;           /* NULL: upstream's */
  const char *image_records;             /* a file: when images were last used; NULL: it is not remembered */
  const PressureSettings *pressure;      /* outlives the kubelet; NULL: nobody looks for pressure */
  const PressureSource *pressure_source; /* outlives the kubelet; NULL: the real one */
  TokenIssuer issue_token;
  void *issuer;
} KubeletConfig;

/* Registers with the informers: call before informer_set_start, which begins the work on pods. CONFIG is copied; the
 * rest must outlive the kubelet. */
Kubelet *kubelet_new(Client *client, InformerSet *informers, Runtime *runtime, const KubeletConfig *config);

/* Clears away what is left of pods that are no more, registers the Node and keeps its lease. Call after
 * informer_set_start. When it returns, the Node is Ready. The API's error when it cannot be registered. */
bool kubelet_start(Kubelet *kubelet, GError **error);

/* For api_server_set_node; lives as long as the kubelet. */
const NodeAccess *kubelet_node_access(Kubelet *kubelet);

/* Call after informer_set_stop. Containers run on. */
void kubelet_free(Kubelet *kubelet);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Kubelet, kubelet_free)
