#include "clusterd/node/sandbox/sysctls.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"

#define NAME_MAX_LENGTH 253
#define PART "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
#define PATTERN "^(" PART "[./])*(" PART "|([a-z0-9][-_a-z0-9]*)?\\*)$"

static const char *const safe[] = { "kernel.shm_rmid_forced",
                                    "net.ipv4.ip_local_port_range",
                                    "net.ipv4.tcp_syncookies",
                                    "net.ipv4.ping_group_range",
                                    "net.ipv4.ip_unprivileged_port_start",
                                    "net.ipv4.ip_local_reserved_ports",
                                    "net.ipv4.tcp_keepalive_time",
                                    "net.ipv4.tcp_fin_timeout",
                                    "net.ipv4.tcp_keepalive_intvl",
                                    "net.ipv4.tcp_keepalive_probes",
                                    "net.ipv4.tcp_rmem",
                                    "net.ipv4.tcp_wmem",
                                    NULL };

/* The settings a namespace has of its own: names that begin so. */
static const struct {
  const char *prefix, *host, *shared; /* HOST: the pod's member that shares the node's; SHARED: its name in messages */
} groups[] = { { "kernel.shm", "hostIPC", "IPC" },
               { "kernel.msg", "hostIPC", "IPC" },
               { "kernel.sem", "hostIPC", "IPC" },
               { "fs.mqueue.", "hostIPC", "IPC" },
               { "net.", "hostNetwork", "Net" } };

char *sysctls_dotted(const char *name)
{
  char *dotted = g_strdup(name);
  if (name[strcspn(name, "./")] != '/')
    return dotted;
  for (char *at = dotted; *at; at++)
    *at = *at == '/' ? '.' : *at == '.' ? '/' : *at;
  return dotted;
}

static bool matches(const char *const *list, const char *name)
{
  for (; list && *list; list++) {
    g_autofree char *pattern = sysctls_dotted(*list);
    gsize length = strlen(pattern);
    bool prefix = length > 0 && pattern[length - 1] == '*';
    if (prefix ? strncmp(pattern, name, length - 1) == 0 : g_str_equal(pattern, name))
      return true;
  }
  return false;
}

/* The group of NAME; -1: it is the whole node's. */
static int group_of(const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS(groups); i++)
    if (g_str_has_prefix(name, groups[i].prefix))
      return (int)i;
  return -1;
}

char *sysctls_refusal(const json_t *pod, const char *const *allowed)
{
  const json_t *spec = json_object_get(pod, "spec"), *sysctl;
  size_t i;
  json_array_foreach (json_at(spec, "securityContext", "sysctls", NULL), i, sysctl) {
    g_autofree char *name = sysctls_dotted(json_str(sysctl, "name", ""));
    int group = group_of(name);
    if (group < 0 || (!matches(safe, name) && !matches(allowed, name)))
      return g_strdup_printf("forbidden sysctl: \"%s\" not allowlisted", name);
    if (json_flag(spec, groups[group].host, false))
      return g_strdup_printf("forbidden sysctl: \"%s\" not allowed with host %s enabled", name, groups[group].shared);
  }
  return NULL;
}

char *sysctls_pattern_problem(const char *pattern)
{
  g_autofree char *dotted = sysctls_dotted(pattern);
  if (strlen(pattern) > NAME_MAX_LENGTH || !g_regex_match_simple(PATTERN, pattern, 0, 0))
    return g_strdup_printf("sysctl \"%s\" must have at most %d characters and match regex %s", pattern, NAME_MAX_LENGTH,
                           PATTERN);
  dotted[strcspn(dotted, "*")] = '\0';
  return group_of(dotted) >= 0 ? NULL : g_strdup_printf("the sysctl \"%s\" are not known to be namespaced", pattern);
}
