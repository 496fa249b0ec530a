/* Admission webhooks without a network: which requests a webhook is called for, what the review says, what answers are
 * good. */
#include <string.h>

#include "admission.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/webhook.h"

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

typedef struct MatchCase {
  const char *group, *version, *plural, *subresource, *namespace_;
  AdmissionOperation operation;
  const char *rule;         /* of the hook */
  const char *members;      /* of the hook besides */
  const char *version_sent; /* NULL: not called */
} MatchCase;

#define RULE(operations, groups, versions, resources)                                                                  \
  "{\"operations\":" operations ",\"apiGroups\":" groups ",\"apiVersions\":" versions ",\"resources\":" resources "}"

static const MatchCase matches[] = {
  { "", "v1", "pods", NULL, "a", ADMISSION_CREATE, RULE("[\"CREATE\"]", "[\"\"]", "[\"v1\"]", "[\"pods\"]"), "", "v1" },
  { "", "v1", "pods", NULL, "a", ADMISSION_UPDATE, RULE("[\"CREATE\"]", "[\"\"]", "[\"v1\"]", "[\"pods\"]"), "", NULL },
  { "", "v1", "pods", NULL, "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"), "", "v1" },
  { "", "v1", "pods", "status", "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"), "", NULL },
  { "", "v1", "pods", "status", "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*/*\"]"), "", "v1" },
  { "", "v1", "pods", NULL, "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*/*\"]"), "", "v1" },
  { "", "v1", "pods", "status", "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"\"]", "[\"v1\"]", "[\"*/status\"]"), "",
    "v1" },
  { "", "v1", "pods", "exec", "a", ADMISSION_CONNECT, RULE("[\"CONNECT\"]", "[\"\"]", "[\"v1\"]", "[\"pods/*\"]"), "",
    "v1" },
  { "", "v1", "pods", "exec", "a", ADMISSION_CONNECT, RULE("[\"CONNECT\"]", "[\"\"]", "[\"v1\"]", "[\"pod/*\"]"), "",
    NULL },
  { "apps", "v1", "deployments", NULL, "a", ADMISSION_CREATE, RULE("[\"*\"]", "[\"\"]", "[\"*\"]", "[\"*\"]"), "",
    NULL },
  { "autoscaling", "v2", "horizontalpodautoscalers", NULL, "a", ADMISSION_CREATE,
    RULE("[\"*\"]", "[\"autoscaling\"]", "[\"v1\"]", "[\"*\"]"), "", "v1" },
  { "autoscaling", "v2", "horizontalpodautoscalers", NULL, "a", ADMISSION_CREATE,
    RULE("[\"*\"]", "[\"autoscaling\"]", "[\"v1\"]", "[\"*\"]"), ",\"matchPolicy\":\"Exact\"", NULL },
  { "autoscaling", "v1", "horizontalpodautoscalers", NULL, "a", ADMISSION_CREATE,
    RULE("[\"*\"]", "[\"autoscaling\"]", "[\"v2\",\"v1\"]", "[\"*\"]"), "", "v1" },
  { "", "v1", "nodes", NULL, NULL, ADMISSION_CREATE,
    "{\"scope\":\"Namespaced\",\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"*"
    "\"]}",
    "", NULL },
  { "", "v1", "nodes", NULL, NULL, ADMISSION_CREATE,
    "{\"scope\":\"Cluster\",\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"*\"]"
    "}",
    ",\"namespaceSelector\":{\"matchLabels\":{\"no\":\"where\"}}", "v1" },
  { "", "v1", "namespaces", NULL, NULL, ADMISSION_CREATE,
    "{\"scope\":\"Namespaced\",\"operations\":[\"*\"],\"apiGroups\":[\"*\"],\"apiVersions\":[\"*\"],\"resources\":[\"*"
    "\"]}",
    "", NULL },
  { "", "v1", "namespaces", NULL, NULL, ADMISSION_CREATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"),
    ",\"namespaceSelector\":{\"matchLabels\":{\"l\":\"new\"}}", "v1" },
  { "", "v1", "pods", NULL, "a", ADMISSION_CREATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"),
    ",\"objectSelector\":{\"matchLabels\":{\"l\":\"new\"}}", "v1" },
  { "", "v1", "pods", NULL, "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"),
    ",\"objectSelector\":{\"matchLabels\":{\"l\":\"old\"}}", "v1" },
  { "", "v1", "pods", NULL, "a", ADMISSION_UPDATE, RULE("[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]"),
    ",\"objectSelector\":{\"matchLabels\":{\"l\":\"other\"}}", NULL },
};

static void test_match(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(json_t) object = parse("{\"metadata\":{\"name\":\"x\",\"labels\":{\"l\":\"new\"}}}");
  g_autoptr(json_t) old = parse("{\"metadata\":{\"name\":\"x\",\"labels\":{\"l\":\"old\"}}}");
  for (gsize i = 0; i < G_N_ELEMENTS(matches); i++) {
    const MatchCase *one = &matches[i];
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("{\"rules\":[%s]%s}", one->rule, one->members);
    g_autoptr(json_t) hook = parse(text);
    const ApiKind *kind =
        api_scheme_resource(registry_scheme(fixture->registry), one->group, one->version, one->plural);
    Target target = { kind, one->namespace_, "x", one->subresource };
    AdmissionRequest request = { .registry = fixture->registry,
                                 .target = &target,
                                 .kind = kind,
                                 .operation = one->operation,
                                 .object = object,
                                 .old = one->operation == ADMISSION_UPDATE ? old : NULL };
    const ApiKind *found;
    g_assert_true(webhook_match(&request, hook, &found, &error));
    g_test_message("%zu %s", i, text);
    g_assert_cmpstr(found ? found->version : NULL, ==, one->version_sent);
  }
}

/* The namespace a selector asks about is not there. */
static void test_lost_namespace(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) hook = parse("{\"rules\":[" RULE(
      "[\"*\"]", "[\"*\"]", "[\"*\"]", "[\"*\"]") "],"
                                                  "\"namespaceSelector\":{\"matchLabels\":{\"a\":\"b\"}}}");
  const ApiKind *kind = api_scheme_resource(registry_scheme(fixture->registry), "", "v1", "pods"), *found;
  Target target = { kind, "lost", "x", NULL };
  AdmissionRequest request = { .registry = fixture->registry, .target = &target, .kind = kind };
  g_assert_false(webhook_match(&request, hook, &found, &error));
  g_assert_true(reason_is(error, REASON_NOT_FOUND));
}

typedef struct AnswerCase {
  const char *version; /* of the review */
  const char *answer;
  bool mutating;
  const char *problem; /* NULL: it is good */
} AnswerCase;

#define ANSWER(response)                                                                                               \
  "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":" response "}"

static const AnswerCase answers[] = {
  { "v1", ANSWER("{\"uid\":\"u\",\"allowed\":true}"), true, NULL },
  { "v1", ANSWER("{\"uid\":\"u\",\"patch\":\"W10=\",\"patchType\":\"JSONPatch\"}"), true, NULL },
  { "v1", ANSWER("{\"uid\":\"u\",\"patch\":\"W10=\"}"), true,
    "webhook returned response.patch but not response.patchType" },
  { "v1", ANSWER("{\"uid\":\"u\",\"patchType\":\"JSONPatch\"}"), true,
    "webhook returned response.patchType but not response.patch" },
  { "v1", ANSWER("{\"uid\":\"u\",\"patch\":\"W10=\",\"patchType\":\"JSONPatch\"}"), false,
    "validating webhook may not return response.patch" },
  { "v1", ANSWER("{\"uid\":\"u\",\"patchType\":\"JSONPatch\"}"), false,
    "validating webhook may not return response.patchType" },
  { "v1", ANSWER("{\"uid\":\"v\"}"), true, "expected response.uid=\"u\", got \"v\"" },
  { "v1", ANSWER("null"), true, "webhook response was absent" },
  { "v1", "{\"response\":{\"uid\":\"u\"}}", true,
    "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind=" },
  { "v1", "[]", true, "webhook response was absent" },
  { "v1beta1", "{\"response\":{\"allowed\":true}}", true, NULL },
};

static void test_answers(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *version = g_strconcat("admission.k8s.io/", answers[i].version, NULL);
    g_autoptr(json_t) review =
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", version, "kind", "AdmissionReview", "request", "uid", "u");
    g_autoptr(json_t) answer = parse(answers[i].answer);
    const json_t *response = webhook_response(review, answer, answers[i].mutating, &error);
    g_assert_cmpstr(error ? error->message : NULL, ==, answers[i].problem);
    g_assert_true((response != NULL) == !answers[i].problem);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/webhook/match", AdmissionFixture, NULL, admission_set_up, test_match, admission_tear_down);
  g_test_add("/webhook/lost-namespace", AdmissionFixture, NULL, admission_set_up, test_lost_namespace,
             admission_tear_down);
  g_test_add_func("/webhook/answers", test_answers);
  return g_test_run();
}
