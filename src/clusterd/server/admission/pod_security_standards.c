/* Which checks make up a level, and how their findings are told. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/pod_security.h"

char *pod_security_policy_text(PodSecurityPolicy policy)
{
  static const char *const levels[] = { "privileged", "baseline", "restricted" };
  if (policy.minor == POD_SECURITY_LATEST)
    return g_strdup_printf("%s:latest", levels[policy.level]);
  return g_strdup_printf("%s:v1.%d", levels[policy.level], policy.minor);
}

/* --- help for checks -----------------------------------------------------------------------------------------------
 */

const json_t *pod_check_context(const json_t *container)
{
  return json_object_get(container, "securityContext");
}

char *pod_check_quote(const GPtrArray *names)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < names->len; i++)
    g_string_append_printf(text, "%s\"%s\"", i ? ", " : "", (const char *)names->pdata[i]);
  return g_string_free(text, FALSE);
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *pod_check_quote_set(GPtrArray *names)
{
  g_ptr_array_sort(names, compare_texts);
  for (guint i = names->len; i-- > 1;)
    if (g_str_equal(names->pdata[i], names->pdata[i - 1]))
      g_ptr_array_remove_index(names, i);
  return pod_check_quote(names);
}

char *pod_check_containers(const GPtrArray *names)
{
  g_autofree char *quoted = pod_check_quote(names);
  return g_strdup_printf("%s %s", names->len == 1 ? "container" : "containers", quoted);
}

char *pod_check_setters(bool pod, const GPtrArray *names)
{
  if (names->len == 0)
    return g_strdup("pod");
  g_autofree char *containers = pod_check_containers(names);
  return g_strconcat(pod ? "pod and " : "", containers, NULL);
}

bool pod_check_found(PodFinding *finding, const char *reason, char *detail)
{
  finding->reason = g_strdup(reason);
  finding->detail = detail;
  return true;
}

GPtrArray *pod_check_select(const PodView *pod, bool (*bad)(const json_t *container, const PodView *pod))
{
  GPtrArray *names = g_ptr_array_new();
  for (guint i = 0; i < pod->containers->len; i++)
    if (bad(pod->containers->pdata[i], pod))
      g_ptr_array_add(names, (void *)(uintptr_t)json_str(pod->containers->pdata[i], "name", ""));
  return names;
}

/* --- levels --------------------------------------------------------------------------------------------------------
 */

static void add_finding(GString *text, const PodFinding *finding, bool details)
{
  g_string_append_printf(text, "%s%s", text->len ? ", " : "", finding->reason);
  if (details && finding->detail && *finding->detail)
    g_string_append_printf(text, " (%s)", finding->detail);
}

static void run(const PodCheck *check, const PodView *pod, bool details, GString *text)
{
  PodFinding finding = { 0 };
  if (pod->minor >= check->since && check->violates(pod, &finding))
    add_finding(text, &finding, details);
  g_free(finding.reason);
  g_free(finding.detail);
}

/* Whether a restricted check of this version says what the baseline check ID would. */
static bool is_replaced(const char *id, int minor)
{
  for (gsize i = 0; i < pod_security_n_restricted; i++)
    if (g_strcmp0(pod_security_restricted[i].replaces, id) == 0 && minor >= pod_security_restricted[i].since)
      return true;
  return false;
}

static GPtrArray *containers_of(const json_t *spec)
{
  static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
  GPtrArray *containers = g_ptr_array_new();
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    size_t index;
    json_t *container;
    json_array_foreach (json_object_get(spec, lists[i]), index, container)
      g_ptr_array_add(containers, container);
  }
  return containers;
}

char *pod_security_violations(PodSecurityPolicy policy, const json_t *pod, bool details)
{
  if (policy.level == POD_SECURITY_PRIVILEGED)
    return NULL;
  bool restricted = policy.level == POD_SECURITY_RESTRICTED;
  int minor = policy.minor == POD_SECURITY_LATEST ? POD_SECURITY_NEWEST : MIN(policy.minor, POD_SECURITY_NEWEST);
  const json_t *spec = json_object_get(pod, "spec");
  g_autoptr(GPtrArray) containers = containers_of(spec);
  PodView view = { .annotations = json_at(pod, "metadata", "annotations", NULL),
                   .spec = spec,
                   .context = json_object_get(spec, "securityContext"),
                   .containers = containers,
                   .minor = minor };
  GString *text = g_string_new(NULL);
  for (gsize i = 0; i < pod_security_n_baseline; i++)
    if (!restricted || !is_replaced(pod_security_baseline[i].id, minor))
      run(&pod_security_baseline[i], &view, details, text);
  for (gsize i = 0; restricted && i < pod_security_n_restricted; i++)
    run(&pod_security_restricted[i], &view, details, text);
  return g_string_free(text, text->len == 0);
}
