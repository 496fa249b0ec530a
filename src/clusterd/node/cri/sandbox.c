/* Pod sandboxes. Their network is made by our own CNI plugin (cni_plugin.c), which the runtime calls. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cri_runtime.h"
#include "clusterd/node/sandbox/pod_socket.h"

#define NS_PER_US 1000

enum { LABELS = 3, ANNOTATIONS = 2 };

static Cri__Mode mode(bool shares_node, Cri__Mode otherwise)
{
  return shares_node ? CRI__MODE__NODE : otherwise;
}

static Cri__SandboxSecurity *make_security(CriArena *arena, const SandboxSpec *spec)
{
  Cri__SandboxSecurity *security = cri_arena_alloc(arena, sizeof *security);
  Cri__NamespaceOption *namespaces = cri_arena_alloc(arena, sizeof *namespaces);
  Cri__Profile *seccomp = cri_arena_alloc(arena, sizeof *seccomp);
  cri__sandbox_security__init(security);
  cri__namespace_option__init(namespaces);
  cri__profile__init(seccomp);
  namespaces->network = mode(spec->host_network, CRI__MODE__POD);
  namespaces->ipc = mode(spec->host_ipc, CRI__MODE__POD);
  namespaces->pid = mode(spec->host_pid, spec->share_process_namespace ? CRI__MODE__POD : CRI__MODE__CONTAINER);
  seccomp->profile_type = CRI__PROFILE__TYPE__DEFAULT;
  security->namespace_options = namespaces;
  security->seccomp = seccomp;
  security->privileged = true; /* that containers in it may be; each says so for itself */
  return security;
}

static Cri__LinuxSandbox *make_linux(CriArena *arena, const SandboxSpec *spec)
{
  Cri__LinuxSandbox *linux_ = cri_arena_alloc(arena, sizeof *linux_);
  cri__linux_sandbox__init(linux_);
  linux_->cgroup_parent = cri_arena_text(arena, spec->cgroup_parent);
  linux_->security_context = make_security(arena, spec);
  linux_->sysctls = cri_arena_alloc(arena, (json_array_size(spec->sysctls) + 1) * sizeof *linux_->sysctls);
  /* as with the native runtime: a process without privileges may serve port 80 */
  if (!spec->host_network)
    linux_->sysctls[linux_->n_sysctls++] = cri_arena_pair(arena, "net.ipv4.ip_unprivileged_port_start", "0");
  size_t i;
  json_t *sysctl;
  json_array_foreach (spec->sysctls, i, sysctl) {
    const char *name = json_str(sysctl, "name", "");
    size_t at = linux_->n_sysctls > 0 && g_str_equal(linux_->sysctls[0]->key, name) ? 0 : linux_->n_sysctls++;
    linux_->sysctls[at] = cri_arena_pair(arena, name, json_str(sysctl, "value", ""));
  }
  return linux_;
}

static void add_ports(CriArena *arena, Cri__SandboxConfig *config, const json_t *mappings)
{
  static const struct {
    const char *name;
    Cri__PortMapping__Protocol protocol;
  } protocols[] = { { "UDP", CRI__PORT_MAPPING__PROTOCOL__UDP }, { "SCTP", CRI__PORT_MAPPING__PROTOCOL__SCTP } };
  config->port_mappings = cri_arena_alloc(arena, (json_array_size(mappings) + 1) * sizeof *config->port_mappings);
  size_t i;
  json_t *mapping;
  json_array_foreach (mappings, i, mapping) {
    Cri__PortMapping *port = cri_arena_alloc(arena, sizeof *port);
    cri__port_mapping__init(port);
    for (size_t j = 0; j < G_N_ELEMENTS(protocols); j++)
      if (g_str_equal(json_str(mapping, "protocol", "TCP"), protocols[j].name))
        port->protocol = protocols[j].protocol;
    port->container_port = (int32_t)json_int(mapping, "containerPort", 0);
    port->host_port = (int32_t)json_int(mapping, "hostPort", 0);
    port->host_ip = cri_arena_text(arena, json_str(mapping, "hostIP", ""));
    config->port_mappings[config->n_port_mappings++] = port;
  }
}

static Cri__SandboxMetadata *make_metadata(CriArena *arena, const SandboxSpec *spec)
{
  Cri__SandboxMetadata *metadata = cri_arena_alloc(arena, sizeof *metadata);
  cri__sandbox_metadata__init(metadata);
  metadata->name = cri_arena_text(arena, spec->name);
  metadata->uid = cri_arena_text(arena, spec->uid);
  metadata->namespace_ = cri_arena_text(arena, spec->namespace_);
  metadata->attempt = spec->attempt;
  return metadata;
}

static Cri__SandboxConfig *make_config(CriArena *arena, const SandboxSpec *spec)
{
  Cri__SandboxConfig *config = cri_arena_alloc(arena, sizeof *config);
  cri__sandbox_config__init(config);
  config->metadata = make_metadata(arena, spec);
  /* on the node's network the name is the node's, and not to be set */
  config->hostname = cri_arena_text(arena, spec->host_network ? NULL : spec->hostname);
  config->log_directory = cri_arena_text(arena, spec->log_directory);
  config->labels = cri_arena_alloc(arena, LABELS * sizeof *config->labels);
  config->labels[config->n_labels++] = cri_arena_pair(arena, "io.kubernetes.pod.name", spec->name);
  config->labels[config->n_labels++] = cri_arena_pair(arena, "io.kubernetes.pod.namespace", spec->namespace_);
  config->labels[config->n_labels++] = cri_arena_pair(arena, "io.kubernetes.pod.uid", spec->uid);
  config->annotations = cri_arena_alloc(arena, ANNOTATIONS * sizeof *config->annotations);
  config->annotations[config->n_annotations++] = cri_arena_pair(arena, CRI_ANNOTATION_LOGS, spec->log_directory);
  config->annotations[config->n_annotations++] = cri_arena_pair(arena, CRI_ANNOTATION_CGROUP, spec->cgroup_parent);
  config->on_linux = make_linux(arena, spec);
  add_ports(arena, config, spec->port_mappings);
  return config;
}

char *cri_run_sandbox(Runtime *runtime, const SandboxSpec *spec, GError **error)
{
  CriRuntime *cri = (CriRuntime *)runtime;
  g_autoptr(GPtrArray) arena = cri_arena_new();
  Cri__RunSandboxRequest request;
  cri__run_sandbox_request__init(&request);
  if (spec->log_directory && !file_make_dirs(spec->log_directory, 0755, error))
    return NULL;
  request.config = make_config(arena, spec);
  request.runtime_handler = cri_arena_text(arena, spec->runtime_handler);
  cri_auto Cri__SandboxId *reply =
      cri_call(cri, "RuntimeService/RunPodSandbox", &request, &cri__sandbox_id__descriptor, CRI_SANDBOX_MS, error);
  return reply ? g_strdup(reply->pod_sandbox_id) : NULL;
}

bool cri_stop_sandbox(Runtime *runtime, const char *sandbox_id, GError **error)
{
  Cri__SandboxId request;
  cri__sandbox_id__init(&request);
  g_autofree char *id = g_strdup(sandbox_id);
  request.pod_sandbox_id = id;
  return cri_order((CriRuntime *)runtime, "RuntimeService/StopPodSandbox", &request, CRI_SANDBOX_MS, true, error);
}

bool cri_remove_sandbox(Runtime *runtime, const char *sandbox_id, GError **error)
{
  Cri__SandboxId request;
  cri__sandbox_id__init(&request);
  g_autofree char *id = g_strdup(sandbox_id);
  request.pod_sandbox_id = id;
  return cri_stop_sandbox(runtime, sandbox_id, error) &&
         cri_order((CriRuntime *)runtime, "RuntimeService/RemovePodSandbox", &request, CRI_SANDBOX_MS, true, error);
}

Cri__SandboxStatusResponse *cri_sandbox_read(CriRuntime *cri, const char *sandbox_id, bool verbose, GError **error)
{
  Cri__SandboxStatusRequest request;
  cri__sandbox_status_request__init(&request);
  g_autofree char *id = g_strdup(sandbox_id ? sandbox_id : "");
  request.pod_sandbox_id = id;
  request.verbose = verbose;
  Cri__SandboxStatusResponse *reply = cri_call(cri, "RuntimeService/PodSandboxStatus", &request,
                                               &cri__sandbox_status_response__descriptor, CRI_CALL_MS, error);
  if (!reply || (reply->status && reply->status->metadata))
    return reply;
  cri_message_free(reply);
  reason_set(error, REASON_RUNTIME, "the container runtime says nothing of sandbox %s", sandbox_id);
  return NULL;
}

/* Where the sandbox's network namespace is. NULL: it is the node's, or not known. */
static char *network_namespace(const Cri__SandboxStatusResponse *reply)
{
  g_autoptr(json_t) info = cri_info(reply->info, reply->n_info, "info");
  const json_t *list = json_at(info, "runtimeSpec", "linux", "namespaces", NULL);
  return g_strdup(json_str(json_find(list, "type", "network"), "path", NULL));
}

static char *other_ip(const Cri__SandboxNetwork *network)
{
  return network && network->n_additional_ips > 0 ? g_strdup(network->additional_ips[0]->ip) : NULL;
}

bool cri_sandbox_status(Runtime *runtime, const char *sandbox_id, SandboxStatus *status, GError **error)
{
  cri_auto Cri__SandboxStatusResponse *reply = cri_sandbox_read((CriRuntime *)runtime, sandbox_id, true, error);
  if (!reply)
    return false;
  const char *ip = reply->status->network ? reply->status->network->ip : "";
  *status = (SandboxStatus){ .ready = reply->status->state == CRI__SANDBOX_STATE__READY,
                             .ip = *ip ? g_strdup(ip) : NULL,
                             .other_ip = other_ip(reply->status->network),
                             .network_namespace = network_namespace(reply),
                             .created_us = reply->status->created_at / NS_PER_US };
  return true;
}

json_t *cri_list_sandboxes(Runtime *runtime, GError **error)
{
  Cri__ListSandboxesRequest request;
  cri__list_sandboxes_request__init(&request);
  cri_auto Cri__ListSandboxesResponse *reply =
      cri_call((CriRuntime *)runtime, "RuntimeService/ListPodSandbox", &request,
               &cri__list_sandboxes_response__descriptor, CRI_CALL_MS, error);
  if (!reply)
    return NULL;
  json_t *list = json_array();
  for (size_t i = 0; i < reply->n_items; i++) {
    const Cri__Sandbox *sandbox = reply->items[i];
    const Cri__SandboxMetadata *metadata = sandbox->metadata;
    if (metadata)
      json_array_append_new(list,
                            json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", sandbox->id, "namespace", metadata->namespace_,
                                      "name", metadata->name, "uid", metadata->uid, "attempt", (int)metadata->attempt));
  }
  return list;
}

int cri_connect(Runtime *runtime, const char *sandbox_id, uint16_t port, GError **error)
{
  cri_auto Cri__SandboxStatusResponse *reply = cri_sandbox_read((CriRuntime *)runtime, sandbox_id, true, error);
  if (!reply)
    return -1;
  g_autofree char *path = network_namespace(reply);
  return pod_socket_connect(path, port, error);
}
