/* launcher profile: which cluster commands are about, and the list of all. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "bootstrap/api_client.h"
#include "bootstrap/kubeconfig.h"
#include "launcher/live.h"

#define PROBE_TIMEOUT_MS 3000

static const char *const output_choices[] = { "table", "json", NULL };

static const Option options[] = {
  { "output", 'o', OPTION_STRING, "FORMAT", "table", output_choices, "table or JSON" },
  { "light", 'l', OPTION_FLAG, NULL, NULL, NULL, "do not ask the machines for their state" },
  { "detailed", 'd', OPTION_FLAG, NULL, NULL, NULL, "also show the port" },
  { .name = NULL },
};

/* minikube's word for the state of a cluster. */
static const char *cluster_status(const Invocation *invocation, const Profile *profile)
{
  MachineState state = MACHINE_ERROR;
  if (invocation_flag(invocation, "light"))
    return "Skipped";
  g_autoptr(Machine) machine = machine_new(invocation->home, profile, NULL);
  if (!machine || !machine->driver->state(&machine->spec, &state, NULL))
    return "Unknown";
  if (state != MACHINE_RUNNING)
    return state == MACHINE_NONEXISTENT ? "Stopped" : machine_state_name(state);
  g_autoptr(ApiClient) client = api_client_new(invocation->home, profile);
  return api_client_is_ready(client, PROBE_TIMEOUT_MS) ? "OK" : "Starting";
}

typedef struct Row {
  char *name, *driver, *runtime, *address, *version, *status;
  json_t *config;
  bool valid, active, current;
  int port;
} Row;

static void row_free(gpointer data)
{
  Row *row = data;
  g_free(row->name);
  g_free(row->driver);
  g_free(row->runtime);
  g_free(row->address);
  g_free(row->version);
  g_free(row->status);
  json_decref(row->config);
  g_free(row);
}

static GPtrArray *collect(const Invocation *invocation)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);
  g_auto(GStrv) names = profile_names(invocation->home);
  g_autofree char *context = kubeconfig_current_context();
  for (char **name = names; *name; name++) {
    Row *row = g_new0(Row, 1);
    g_autoptr(Profile) profile = profile_load(invocation->home, *name, NULL);
    g_autofree char *path = home_profile_file(invocation->home, *name, "config.json");
    row->name = g_strdup(*name);
    row->valid = profile != NULL;
    row->active = strcmp(invocation->profile, *name) == 0;
    row->current = g_strcmp0(context, *name) == 0;
    row->config = json_read_file(path, NULL);
    row->driver = g_strdup(profile ? profile->driver : "");
    row->runtime = g_strdup(profile ? profile->container_runtime : "");
    row->address = g_strdup(profile ? profile->address : "");
    row->version = g_strdup(profile ? profile->kubernetes_version : "");
    row->status = g_strdup(profile ? cluster_status(invocation, profile) : "Unknown");
    row->port = profile ? (int)profile->apiserver_port : 0;
    g_ptr_array_add(rows, row);
  }
  return rows;
}

static void print_json(GPtrArray *rows)
{
  g_autoptr(json_t) value = json_pack("{s:[], s:[]}", "invalid", "valid");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = rows->pdata[i];
    json_array_append_new(json_object_get(value, row->valid ? "valid" : "invalid"),
                          json_pack("{s:s, s:s, s:O?, s:b, s:b}", "Name", row->name, "Status", row->status, "Config",
                                    row->config, "Active", row->active, "ActiveKubeContext", row->current));
  }
  g_autofree char *text = json_text(value);
  puts(text);
}

static void print_table(GPtrArray *rows, bool detailed)
{
  static const char *const head[] = { "PROFILE", "DRIVER",         "RUNTIME",           "IP", "VERSION", "STATUS",
                                      "NODES",   "ACTIVE PROFILE", "ACTIVE KUBECONTEXT" };
  printf("%-20s %-10s %-10s %-15s %-9s %-10s %-6s %-15s %s%s\n", head[0], head[1], head[2], head[3], head[4], head[5],
         head[6], head[7], head[8], detailed ? "  PORT" : "");
  for (guint i = 0; i < rows->len; i++) {
    const Row *row = rows->pdata[i];
    printf("%-20s %-10s %-10s %-15s %-9s %-10s %-6d %-15s %-18s", row->name, row->driver, row->runtime, row->address,
           row->version, row->status, 1, row->active ? "*" : "", row->current ? "*" : "");
    if (detailed)
      printf("  %d", row->port);
    putchar('\n');
  }
}

static int list(const Invocation *invocation, GError **error)
{
  bool json = strcmp(invocation_text(invocation, "output"), "json") == 0;
  g_autoptr(GPtrArray) rows = collect(invocation);
  if (rows->len == 0 && !json) {
    reason_set(error, REASON_NO_PROFILE, "No %s profile was found.", invocation->home->program);
    return 1;
  }
  if (json)
    print_json(rows);
  else
    print_table(rows, invocation_flag(invocation, "detailed"));
  return 0;
}

/* A name that is no profile is only a tip, as in minikube. */
static int choose(const Invocation *invocation, const char *name, GError **error)
{
  if (!profile_check_name(name, error))
    return 1;
  g_autoptr(GError) inner = NULL;
  g_autoptr(Profile) profile = profile_load(invocation->home, name, &inner);
  if (!profile && strcmp(name, invocation->home->default_profile) != 0) {
    output_info(invocation->output, "profile \"%s\" not found. To create it, run: %s start -p %s", name,
                invocation->home->program, name);
    return 0;
  }
  if (!home_config_set(invocation->home, "profile", name, error))
    return 1;
  output_info(invocation->output, "%s profile was successfully set to %s", invocation->home->program, name);
  return 0;
}

static int run(const Invocation *invocation, GError **error)
{
  if (invocation->n_args == 0) {
    puts(invocation->profile);
    return 0;
  }
  return strcmp(invocation->args[0], "list") == 0 ? list(invocation, error)
                                                  : choose(invocation, invocation->args[0], error);
}

const Command profile_command = {
  .name = "profile",
  .group = "Configuration commands",
  .summary = "Print or choose the active profile, or list all",
  .usage = "[NAME | list]",
  .description = "",
  .max_args = 1,
  .options = options,
  .run = run,
};
