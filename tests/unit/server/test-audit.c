/* The audit policy's decisions, the audit log's queue and rotation, and the metrics' text. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/server/audit/audit_log.h"
#include "clusterd/server/audit/audit_policy.h"
#include "clusterd/server/metrics.h"
#include "folder.h"

static AuditPolicy *read_policy(const FolderFixture *fixture, const char *rules, GError **error)
{
  g_autofree char *text = g_strconcat("apiVersion: audit.k8s.io/v1\nkind: Policy\n", rules, NULL);
  g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
  return audit_policy_read(fixture->path, error);
}

/* --- policy --------------------------------------------------------------------------------------------------------
 */

typedef struct Case {
  const char *user, *group;
  const char *verb, *api_group, *resource, *subresource, *namespace_, *name, *path;
  AuditLevel level;
} Case;

static AuditDecision decide(const AuditPolicy *policy, const Case *test)
{
  const char *groups[] = { test->group, NULL };
  g_autoptr(Identity) identity = test->user ? identity_new(test->user, NULL, groups) : NULL;
  RequestInfo info = { .is_resource = test->resource != NULL,
                       .verb = test->verb,
                       .group = (char *)(uintptr_t)test->api_group,
                       .resource = (char *)(uintptr_t)test->resource,
                       .subresource = (char *)(uintptr_t)test->subresource,
                       .namespace_ = (char *)(uintptr_t)test->namespace_,
                       .name = (char *)(uintptr_t)test->name };
  return audit_policy_decide(policy, identity, &info, test->path ? test->path : "/api");
}

static void test_decisions(FolderFixture *fixture, gconstpointer data)
{
  static const char rules[] =
      "rules:\n"
      "- {level: None, users: [kubelet]}\n"
      "- {level: Request, userGroups: [dev], verbs: [create]}\n"
      "- {level: RequestResponse, resources: [{group: '', resources: [pods/log, 'services/*']}]}\n"
      "- {level: Metadata, namespaces: [''], resources: [{group: ''}]}\n"
      "- {level: Request, resources: [{group: apps, resources: ['*/scale']}]}\n"
      "- {level: Metadata, resources: [{group: '', resources: [secrets], resourceNames: [s]}]}\n"
      "- {level: Metadata, nonResourceURLs: ['/logs/*', /version]}\n";
  static const Case cases[] = {
    { "kubelet", "dev", "create", "", "secrets", NULL, "x", "s", NULL, AUDIT_NONE },
    { "ann", "dev", "create", "apps", "deployments", NULL, "x", NULL, NULL, AUDIT_REQUEST },
    { "ann", "dev", "get", "apps", "deployments", NULL, "x", "d", NULL, AUDIT_NONE },
    { "ann", "ops", "get", "", "pods", "log", "x", "p", NULL, AUDIT_REQUEST_RESPONSE },
    { "ann", "ops", "get", "", "pods", NULL, "x", "p", NULL, AUDIT_NONE },
    { "ann", "ops", "get", "", "services", "proxy", "x", "s", NULL, AUDIT_REQUEST_RESPONSE },
    { "ann", "ops", "get", "", "nodes", NULL, NULL, "n", NULL, AUDIT_METADATA },
    { "ann", "ops", "patch", "apps", "statefulsets", "scale", "x", "s", NULL, AUDIT_REQUEST },
    { "ann", "ops", "get", "", "secrets", NULL, "x", "s", NULL, AUDIT_METADATA },
    { "ann", "ops", "get", "", "secrets", NULL, "x", "t", NULL, AUDIT_NONE },
    { "ann", "ops", "get", NULL, NULL, NULL, NULL, NULL, "/logs/a", AUDIT_METADATA },
    { "ann", "ops", "get", NULL, NULL, NULL, NULL, NULL, "/logs", AUDIT_NONE },
    { NULL, NULL, "get", NULL, NULL, NULL, NULL, NULL, "/version", AUDIT_METADATA },
  };
  g_autoptr(GError) error = NULL;
  g_autoptr(AuditPolicy) policy = read_policy(fixture, rules, &error);
  g_assert_no_error(error);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("case %zu", i);
    g_assert_cmpint(decide(policy, &cases[i]).level, ==, cases[i].level);
  }
}

static void test_omissions(FolderFixture *fixture, gconstpointer data)
{
  static const char rules[] =
      "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n"
      "- {level: Metadata, verbs: [get], omitStages: [ResponseStarted], omitManagedFields: false}\n"
      "- {level: Metadata}\n";
  g_autoptr(GError) error = NULL;
  g_autoptr(AuditPolicy) policy = read_policy(fixture, rules, &error);
  g_assert_no_error(error);
  Case one = { .user = "a", .group = "g", .verb = "get", .api_group = "", .resource = "pods" }, two = one;
  two.verb = "list";
  AuditDecision first = decide(policy, &one), second = decide(policy, &two);
  g_assert_cmpuint(first.omitted, ==, AUDIT_REQUEST_RECEIVED | AUDIT_RESPONSE_STARTED);
  g_assert_false(first.omit_managed_fields);
  g_assert_cmpuint(second.omitted, ==, AUDIT_REQUEST_RECEIVED);
  g_assert_true(second.omit_managed_fields);
}

static void test_refused(FolderFixture *fixture, gconstpointer data)
{
  static const char *const texts[] = {
    "",
    "rules: []\n",
    "rules: [{level: All}]\n",
    "rules: [{level: None, omitStages: [Later]}]\n",
    "rules: [{level: None, nonResourceURLs: [a]}]\n",
    "rules: [{level: None, nonResourceURLs: [/a], namespaces: [x]}]\n",
    "rules: [{level: None, users: x}]\n",
    "rules: [{level: None, users: [1]}]\n",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(read_policy(fixture, texts[i], &error));
    g_assert_true(reason_is(error, REASON_CONFIG));
  }
}

/* --- log -----------------------------------------------------------------------------------------------------------
 */

static void *write_many(void *data)
{
  for (int i = 0; i < 1000; i++) {
    char *line = g_strnfill(2000, 'x');
    audit_log_write(data, g_bytes_new_take(line, 2000));
  }
  return NULL;
}

/* Counts the files and checks that every line in them is whole. */
static unsigned count_lines(const FolderFixture *fixture, unsigned *files)
{
  unsigned lines = 0;
  GDir *dir = g_dir_open(fixture->folder, 0, NULL);
  *files = 0;
  for (const char *name; (name = g_dir_read_name(dir)); ++*files) {
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL), *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    g_assert_cmpuint(length % 2001, ==, 0);
    g_assert_cmpuint(length, <=, 1 << 20);
    lines += (unsigned)(length / 2001);
  }
  g_dir_close(dir);
  return lines;
}

static void test_log(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  AuditLogConfig config = { .path = fixture->path, .max_size = 1 };
  AuditLog *log = audit_log_open(&config, &error);
  GThread *threads[4];
  uint64_t written, lost;
  unsigned files;
  g_assert_no_error(error);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("write", write_many, log);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  audit_log_count(log, &written, &lost);
  audit_log_close(log);
  g_assert_cmpuint(written + lost, ==, 4000);
  g_assert_cmpuint(count_lines(fixture, &files), ==, written);
  g_assert_cmpuint(files, >, written / 530); /* 524 lines fill a file */
}

static void test_log_is_refused(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  AuditLogConfig config = { .path = fixture->folder };
  g_assert_null(audit_log_open(&config, &error));
  g_assert_true(reason_is(error, REASON_FILE));
}

/* --- metrics -------------------------------------------------------------------------------------------------------
 */

static void test_metrics(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GString) text = g_string_new(NULL);
  RequestLabels labels = { "GET", "apps", "v1", "deployments", "", "resource", false };
  Metrics *metrics = metrics_new();
  metrics_count(metrics, &labels, 200, 0.01, false);
  metrics_count(metrics, &labels, 200, 0.5, false);
  metrics_count(metrics, &labels, 404, 100, false);
  labels.verb = "WATCH";
  metrics_count(metrics, &labels, 200, 3600, true);
  metrics_append(metrics, text);
  metrics_free(metrics);
#define LABELS(verb)                                                                                                   \
  "component=\"apiserver\",dry_run=\"\",group=\"apps\",resource=\"deployments\",scope=\"resource\",subresource=\"\","  \
  "verb=\"" verb "\",version=\"v1\""
  g_assert_nonnull(strstr(text->str, "apiserver_request_total{code=\"200\"," LABELS("GET") "} 2\n"));
  g_assert_nonnull(strstr(text->str, "apiserver_request_total{code=\"404\"," LABELS("GET") "} 1\n"));
  g_assert_nonnull(strstr(text->str, "apiserver_request_total{code=\"200\"," LABELS("WATCH") "} 1\n"));
  g_assert_nonnull(strstr(text->str, "_seconds_bucket{" LABELS("GET") ",le=\"0.005\"} 0\n"));
  g_assert_nonnull(strstr(text->str, "_seconds_bucket{" LABELS("GET") ",le=\"0.025\"} 1\n"));
  g_assert_nonnull(strstr(text->str, "_seconds_bucket{" LABELS("GET") ",le=\"60\"} 2\n"));
  g_assert_nonnull(strstr(text->str, "_seconds_bucket{" LABELS("GET") ",le=\"+Inf\"} 3\n"));
  g_assert_nonnull(strstr(text->str, "_seconds_sum{" LABELS("GET") "} 100.51\n"));
  g_assert_null(strstr(text->str, "_seconds_count{" LABELS("WATCH")));
}

static void test_metrics_are_bounded(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GString) text = g_string_new(NULL);
  Metrics *metrics = metrics_new();
  for (int i = 0; i < METRICS_SERIES_MAX + 100; i++) {
    g_autofree char *name = g_strdup_printf("r%d", i);
    RequestLabels labels = { "GET", "", "v1", name, "", "", false };
    metrics_count(metrics, &labels, 200, 0, true);
  }
  metrics_append(metrics, text);
  metrics_free(metrics);
  g_assert_nonnull(strstr(text->str, "verb=\"other\",version=\"\"} 100\n"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, FolderFixture, NULL, folder_set_up, function, folder_tear_down)
  ADD("/audit/policy/decisions", test_decisions);
  ADD("/audit/policy/omissions", test_omissions);
  ADD("/audit/policy/refused", test_refused);
  ADD("/audit/log/rotation", test_log);
  ADD("/audit/log/refused", test_log_is_refused);
  ADD("/metrics/text", test_metrics);
  ADD("/metrics/bounded", test_metrics_are_bounded);
  return g_test_run();
}
