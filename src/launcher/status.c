/* launcher status: what runs, with minikube's words and its bit mask as exit code. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "bootstrap/api_client.h"
#include "bootstrap/kubeconfig.h"
#include "launcher/live.h"

#define PROBE_TIMEOUT_MS 3000

enum { BIT_HOST = 1, BIT_CLUSTER = 2, BIT_KUBECONFIG = 4 };

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON" },
  { "format", 'f', OPTION_STRING, "TEMPLATE", NULL, NULL,
    "text with {{.Name}}, {{.Host}}, {{.Kubelet}}, {{.APIServer}}, {{.Kubeconfig}}" },
  { "node", 'n', OPTION_STRING, "NAME", NULL, NULL, "only this node; there is one" },
  { .name = NULL },
};

typedef struct Status {
  const char *name, *host, *kubelet, *apiserver, *kubeconfig;
} Status;

/* "Running" when the Node of the cluster is Ready, else "Stopped". */
static const char *kubelet_state(ApiClient *client, const char *node)
{
  g_autofree char *path = g_strconcat("/api/v1/nodes/", node, NULL);
  g_autoptr(json_t) value = api_client_get(client, path, NULL);
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(value, "status", "conditions", NULL), i, condition)
    if (strcmp(json_str(condition, "type", ""), "Ready") == 0)
      return strcmp(json_str(condition, "status", ""), "True") == 0 ? "Running" : "Stopped";
  return "Stopped";
}

static Status ask(const Invocation *invocation, const Live *live)
{
  Status status = { .name = live->profile->name,
                    .host = machine_state_name(live->state),
                    .kubelet = "Stopped",
                    .apiserver = "Stopped",
                    .kubeconfig = "Misconfigured" };
  if (live->state == MACHINE_NONEXISTENT)
    status.kubelet = status.apiserver = "Nonexistent";
  if (live->state == MACHINE_PAUSED)
    status.apiserver = "Paused";
  if (live->state == MACHINE_RUNNING) {
    g_autoptr(ApiClient) client = api_client_new(invocation->home, live->profile);
    if (api_client_is_ready(client, PROBE_TIMEOUT_MS)) {
      status.apiserver = "Running";
      status.kubelet = kubelet_state(client, live->profile->name);
    }
  }
  if (kubeconfig_is_configured(live->profile))
    status.kubeconfig = "Configured";
  else if (live->state == MACHINE_STOPPED || live->state == MACHINE_NONEXISTENT)
    status.kubeconfig = "Stopped";
  return status;
}

static int exit_code(const Status *status)
{
  bool running = strcmp(status->host, "Running") == 0;
  bool cluster = strcmp(status->apiserver, "Running") == 0 && strcmp(status->kubelet, "Running") == 0;
  bool paused = strcmp(status->host, "Paused") == 0;
  bool configured = strcmp(status->kubeconfig, "Configured") == 0;
  return (running || paused ? 0 : BIT_HOST) | (cluster ? 0 : BIT_CLUSTER) | (configured ? 0 : BIT_KUBECONFIG);
}

/* TEMPLATE with every {{.Field}} replaced. The caller frees; NULL with REASON_USAGE on an unknown field. */
static char *expand(const char *template, const Status *status, GError **error)
{
  const struct {
    const char *name, *value;
  } fields[] = { { "Name", status->name },
                 { "Host", status->host },
                 { "Kubelet", status->kubelet },
                 { "APIServer", status->apiserver },
                 { "Kubeconfig", status->kubeconfig },
                 { "Worker", "false" },
                 { "TimeToStop", "" } };
  g_autoptr(GString) text = g_string_new(NULL);
  while (*template) {
    const char *end = g_str_has_prefix(template, "{{") ? strstr(template, "}}") : NULL;
    if (!end) {
      g_string_append_c(text, *template ++);
      continue;
    }
    g_autofree char *inner = g_strndup(template + 2, (gsize)(end - template - 2));
    const char *name = g_strstrip(inner), *value = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(fields) && *name == '.'; i++)
      value = strcmp(fields[i].name, name + 1) == 0 ? fields[i].value : value;
    if (!value) {
      reason_set(error, REASON_USAGE, "--format: {{%s}} is not a field of the status", name);
      return NULL;
    }
    g_string_append(text, value);
    template = end + 2;
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool print_status(const Invocation *invocation, const Status *status, GError **error)
{
  const char *format = invocation_text(invocation, "format");
  if (strcmp(invocation_text(invocation, "output"), "json") == 0) {
    g_autoptr(json_t) value =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "Name", status->name, "Host", status->host, "Kubelet",
                  status->kubelet, "APIServer", status->apiserver, "Kubeconfig", status->kubeconfig, "Worker", 0);
    g_autofree char *text = json_text(value);
    fputs(text, stdout);
    return true;
  }
  if (format) {
    g_autofree char *text = expand(format, status, error);
    if (text)
      fputs(text, stdout);
    return text != NULL;
  }
  printf("%s\ntype: Control Plane\nhost: %s\nkubelet: %s\napiserver: %s\nkubeconfig: %s\n\n", status->name,
         status->host, status->kubelet, status->apiserver, status->kubeconfig);
  return true;
}

/* minikube tells on stdout, without the error mark, what to do about a profile that is not there. */
static int tell_missing(const Invocation *invocation, const GError *error)
{
  output_info(invocation->output, "%s", error->message);
  printf("  To start a cluster, run: \"%s start -p %s\"\n", invocation->home->program, invocation->profile);
  return reason_info(REASON_GUEST_NOT_FOUND)->exit_code;
}

static int run(const Invocation *invocation, GError **error)
{
  g_autoptr(GError) inner = NULL;
  g_autoptr(Live) live = live_load(invocation, LIVE_PROFILE, &inner);
  if (reason_is(inner, REASON_GUEST_NOT_FOUND))
    return tell_missing(invocation, inner);
  if (!live) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return 1;
  }
  const char *node = invocation_text(invocation, "node");
  if (node && strcmp(node, live->profile->name) != 0) {
    reason_set(error, REASON_GUEST_NOT_FOUND, "--node: \"%s\" is not a node of \"%s\"", node, live->profile->name);
    return 1;
  }
  Status status = ask(invocation, live);
  if (!print_status(invocation, &status, error))
    return 1;
  if (live->state == MACHINE_RUNNING && strcmp(status.kubeconfig, "Configured") != 0)
    output_warning(invocation->output,
                   "Your kubectl is pointing to another cluster. To fix the context, run: %s update-context -p %s",
                   invocation->home->program, status.name);
  return exit_code(&status);
}

const Command status_command = {
  .name = "status",
  .group = "Basic commands",
  .summary = "Tell what of a cluster runs",
  .usage = "",
  .description =
      "The exit code is a bit mask: 1 the machine is down, 2 the cluster is not running, 4 kubectl is not configured; "
      "85 when there is no such profile.",
  .options = options,
  .run = run,
};
