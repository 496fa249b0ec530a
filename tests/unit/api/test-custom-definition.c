/* CustomResourceDefinitions: what they may say, and the kinds they become. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/apply/managed_fields.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/api/object.h"
#include "clusterd/api/openapi/discovery.h"
#include "clusterd/api/openapi/openapi.h"
#include "clusterd/api/table/table.h"
#include "validation_case.h"

#define DEFINITION(schema)                                                                                             \
  "{'apiVersion':'apiextensions.k8s.io/"                                                                               \
  "v1','kind':'CustomResourceDefinition','metadata':{'name':'tabs.a.example.com'},"                                    \
  "'spec':{'group':'a.example.com','scope':'Namespaced','names':{'plural':'tabs','kind':'Tab','shortNames':['tb']},"   \
  "'versions':[{'name':'v1','served':true,'storage':true,'subresources':{'status':{},'scale':{'specReplicasPath':"     \
  "'.spec.n','statusReplicasPath':'.status.n'}},'schema':{'openAPIV3Schema':" schema "}}]}}"
#define PLAIN                                                                                                          \
  "{'type':'object','properties':{'spec':{'type':'object','properties':{'n':{'type':'integer'},'l':{'type':'array',"   \
  "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],"       \
  "'properties':{'k':{'type':'string'},'v':{'type':'string'}}}},'d':{'type':'string','default':'x'},"                  \
  "'any':{'x-kubernetes-preserve-unknown-fields':true},'null':{'type':'string','nullable':true}}}}}"

#define ROOT "/spec/versions/0/schema/openAPIV3Schema"
#define SPEC ROOT "/properties/spec"
#define AT "spec.validation.openAPIV3Schema.properties[spec]"

static void test_creates(void)
{
  static const ValidationCase cases[] = {
    { "/spec/group=\"x\"",
      "[metadata.name: Invalid value: \"tabs.a.example.com\": must be spec.names.plural+\".\"+spec.group, spec.group: "
      "Invalid value: \"x\": should be a domain with at least one dot]" },
    { "/spec/scope=\"Galaxy\"",
      "spec.scope: Unsupported value: \"Galaxy\": supported values: \"Cluster\", \"Namespaced\"" },
    { "/spec/names/listKind=\"Tab\"",
      "spec.names.listKind: Invalid value: \"Tab\": kind and listKind may not be the same" },
    { "/spec/preserveUnknownFields=true", "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                                          "x-kubernetes-preserve-unknown-fields to true "
                                          "in spec.versions[*].schema instead" },
    { "/spec/versions/0/schema=null", "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required" },
    { "/spec/conversion={\"strategy\":\"Webhook\"}",
      "[spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook, but not "
      "allowed "
      "otherwise, spec.conversion.webhook.conversionReviewVersions: Required value]" },
    { "/spec/versions/0/additionalPrinterColumns=[{\"name\":\"A\",\"type\":\"text\",\"jsonPath\":\"spec\"}]",
      "[spec.additionalPrinterColumns[0].type: Unsupported value: \"text\": supported values: \"boolean\", \"date\", "
      "\"integer\", \"number\", \"string\", spec.additionalPrinterColumns[0].jsonPath: Invalid value: \"spec\": must "
      "be a simple "
      "json path starting with .]" },
    { "/spec/versions/0/subresources/scale/specReplicasPath=\".status.n\"",
      "spec.subresources.scale.specReplicasPath: Invalid value: \".status.n\": should be a json path under .spec" },
    { "/spec/versions/0/selectableFields=[{\"jsonPath\":\".spec.l\"}]",
      "spec.selectableFields[0].jsonPath: Invalid value: \".spec.l\": must point to a field of type string, boolean or "
      "integer. Enum string fields and strings with formats are allowed." },
    /* structure */
    { ROOT "/type=\"array\"",
      "[spec.validation.openAPIV3Schema.type: Invalid value: \"array\": must be object at the root, "
      "spec.validation.openAPIV3Schema.items: Required value: must be specified]" },
    { SPEC "/type=null", AT ".type: Required value: must not be empty for specified object fields" },
    { SPEC "/type=\"thing\"",
      AT ".type: Unsupported value: \"thing\": supported values: \"array\", \"boolean\", \"integer\", "
         "\"number\", \"object\", \"string\"" },
    { SPEC "/$ref=\"#/a\"", AT ".$ref: Forbidden: $ref is not supported" },
    { SPEC "/additionalProperties={\"type\":\"string\"}",
      AT ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive" },
    { SPEC "/properties/n/x-kubernetes-int-or-string=true; " SPEC "/properties/n/type=null; " SPEC
           "/properties/n/anyOf=[{\"type\":\"integer\"},{\"type\":\"string\"}]",
      "" },
    { SPEC "/properties/n/anyOf=[{\"type\":\"integer\"}]",
      AT ".properties[n].anyOf[0].type: Forbidden: must be empty to be structural" },
    { SPEC "/anyOf=[{\"properties\":{\"q\":{\"minimum\":1}}}]",
      AT ".properties[q]: Required value: because it is defined in " AT ".anyOf[0].properties[q]" },
    { SPEC "/properties/l/x-kubernetes-list-map-keys=[\"zz\"]",
      AT ".properties[l].x-kubernetes-list-map-keys: Invalid value: []string{\"zz\"}: entries must all be names of "
         "item properties" },
    { SPEC "/properties/l/items/required=null", AT ".properties[l].items.properties[k].default: Required value: this "
                                                   "property is in x-kubernetes-list-map-keys, so it "
                                                   "must have a default or be a required property" },
    { SPEC "/properties/d/default=5", AT ".properties[d].default: Invalid value: \"integer\": " AT
                                         ".properties[d].default in body must be of type string: \"integer\"" },
    { ROOT "/properties/metadata={\"type\":\"object\",\"properties\":{\"labels\":{\"type\":\"object\"}}}",
      "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and "
      "generateName, but metadata is implicitly specified" },
    { ROOT "/properties/metadata={\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":5}}}",
      "" },
    { SPEC "/properties/n/x-kubernetes-validations=[{\"rule\":\"\"}]",
      AT ".properties[n].x-kubernetes-validations[0].rule: Required value: rule is not specified" },
  };
  case_creates(DEFINITION(PLAIN), cases, G_N_ELEMENTS(cases));
}

static void test_updates(void)
{
  static const ValidationCase cases[] = {
    { "/spec/group=\"b.example.com\"", "spec.group: Invalid value: \"b.example.com\": field is immutable" },
    { "/spec/names/plural=\"tubs\"", "spec.names.plural: Invalid value: \"tubs\": field is immutable" },
    { "/spec/names/kind=\"Tub\"", "" }, /* not established yet */
    { "/spec/versions/0/name=\"v2\"", "status.storedVersions[0]: Invalid value: \"v1\": must appear in spec.versions" },
  };
  case_updates(DEFINITION(PLAIN), cases, G_N_ELEMENTS(cases));
}

/* --- kinds --- */

static CustomDefinition *define(const char *text, const char *version)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = case_create(text);
  if (version)
    json_object_set_new(json_array_get(json_at(value, "spec", "versions", NULL), 0), "name", json_string(version));
  CustomDefinition *definition = custom_definition_new(value, &error);
  g_assert_no_error(error);
  return definition;
}

static void test_scheme(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  unsigned generation = api_scheme_generation(scheme);
  g_assert_null(api_scheme_resource(scheme, "a.example.com", "v1", "tabs"));
  api_scheme_install(scheme, define(DEFINITION(PLAIN), NULL));
  const ApiKind *kind = api_scheme_resource(scheme, "a.example.com", "v1", "tabs");
  g_assert_nonnull(kind);
  g_assert_cmpuint(api_scheme_generation(scheme), !=, generation);
  g_assert_true(kind == api_scheme_kind(scheme, "a.example.com", "v1", "Tab"));
  g_assert_true(api_kind_is_canonical(kind) && kind->namespaced && kind->require_version_on_update);
  g_assert_cmpstr(kind->list_kind, ==, "TabList");
  g_assert_cmpstr(kind->short_names[0], ==, "tb");
  g_assert_nonnull(api_kind_subresource(kind, "scale"));
  g_assert_true(api_kind_current(kind) == kind);
  /* another state takes its place */
  api_scheme_install(scheme, define(DEFINITION("{'type':'object'}"), NULL));
  const ApiKind *later = api_scheme_resource(scheme, "a.example.com", "v1", "tabs");
  g_assert_true(later != kind && api_kind_current(kind) == later);
  /* a version that goes is hidden, and known to nobody */
  api_scheme_install(scheme, define(DEFINITION(PLAIN), "v2"));
  g_assert_null(api_scheme_resource(scheme, "a.example.com", "v1", "tabs"));
  g_assert_nonnull(api_scheme_resource(scheme, "a.example.com", "v2", "tabs"));
  g_assert_true(api_scheme_uninstall(scheme, "tabs.a.example.com"));
  g_assert_false(api_scheme_uninstall(scheme, "tabs.a.example.com"));
  g_assert_null(api_scheme_resource(scheme, "a.example.com", "v2", "tabs"));
}

static void test_documents(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  api_scheme_install(scheme, define(DEFINITION(PLAIN), NULL));
  g_autoptr(json_t) list = discovery_resource_list(scheme, "a.example.com", "v1");
  g_assert_cmpuint(json_array_size(json_object_get(list, "resources")), ==, 3);
  g_autoptr(json_t) v3 = openapi_v3(scheme, "apis/a.example.com/v1");
  const json_t *spec = json_at(v3, "components", "schemas", "com.example.a.v1.Tab", "properties", "spec", NULL);
  g_assert_true(json_flag(json_at(spec, "properties", "null", NULL), "nullable", false));
  g_assert_nonnull(
      json_at(v3, "components", "schemas", "com.example.a.v1.Tab", "properties", "metadata", "allOf", NULL));
  g_assert_nonnull(json_at(v3, "paths", "/apis/a.example.com/v1/namespaces/{namespace}/tabs/{name}/scale", NULL));
  /* version 2 cannot say that null is allowed: there the value is of any type */
  g_autoptr(json_t) v2 = openapi_v2(scheme);
  spec = json_at(v2, "definitions", "com.example.a.v1.Tab", "properties", "spec", NULL);
  case_equal(json_at(spec, "properties", "null", NULL), "{}");
  g_autoptr(GBytes) protobuf = openapi_v2_protobuf(v2, NULL);
  g_assert_nonnull(protobuf);
}

static void test_decode(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  api_scheme_install(scheme, define(DEFINITION(PLAIN), NULL));
  const ApiKind *kind = api_scheme_resource(scheme, "a.example.com", "v1", "tabs");
  g_autoptr(json_t) warnings = json_array();
  g_autoptr(GError) error = NULL;
  const char *text = "{\"spec\":{\"n\":0,\"zap\":1,\"any\":{\"x\":null}},\"metadata\":{\"name\":\"a\",\"pow\":1},"
                     "\"kind\":\"Tab\",\"apiVersion\":\"a.example.com/v1\"}";
  g_autoptr(json_t) value =
      codec_decode(CODEC_JSON, kind->message, "v1", "Tab", text, strlen(text), FIELD_VALIDATION_WARN, warnings, &error);
  g_assert_no_error(error);
  case_equal(value,
             "{'kind':'Tab','apiVersion':'a.example.com/v1','metadata':{'name':'a'},'spec':{'n':0,'any':{'x':null}}}");
  case_equal(warnings, "['unknown field \\\"metadata.pow\\\"','unknown field \\\"spec.zap\\\"']");
  g_assert_null(
      codec_decode(CODEC_PROTOBUF, kind->message, "v1", "Tab", "k8s", 4, FIELD_VALIDATION_WARN, NULL, &error));
  g_assert_cmpint(reason_of(error), ==, REASON_UNSUPPORTED_MEDIA_TYPE);
}

/* Two appliers of a list with keys each own their items. */
static void test_apply(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  api_scheme_install(scheme, define(DEFINITION(PLAIN), NULL));
  const ApiKind *kind = api_scheme_resource(scheme, "a.example.com", "v1", "tabs");
  FieldManager one = { .name = "one", .subresource = "" }, two = { .name = "two", .subresource = "" };
  g_autoptr(json_t) first = case_parse("{'metadata':{'name':'a'},'spec':{'l':[{'k':'x','v':'1'}],'any':{'p':[1]}}}");
  g_autoptr(json_t) second = case_parse("{'metadata':{'name':'a'},'spec':{'l':[{'k':'y','v':'2'}]}}");
  g_autoptr(json_t) clash = case_parse("{'metadata':{'name':'a'},'spec':{'l':[{'k':'x','v':'9'}]}}");
  g_autoptr(json_t) none = case_parse("{'metadata':{'name':'a'}}");
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) after_first = managed_fields_apply(kind, NULL, first, &one, false, &error);
  g_autoptr(json_t) after_second = managed_fields_apply(kind, after_first, second, &two, false, &error);
  g_assert_no_error(error);
  case_equal(json_at(after_second, "spec", "l", NULL), "[{'k':'x','v':'1'},{'k':'y','v':'2'}]");
  g_assert_null(managed_fields_apply(kind, after_second, clash, &two, false, &error));
  g_assert_cmpstr(error->message, ==, "Apply failed with 1 conflict: conflict with \"one\": .spec.l[k=\"x\"].v");
  g_clear_error(&error);
  g_autoptr(json_t) after_none = managed_fields_apply(kind, after_second, none, &one, false, &error);
  case_equal(json_at(after_none, "spec", NULL), "{'l':[{'k':'y','v':'2'}]}");
}

/* What many threads read while one changes it is always one state or the other. */
typedef struct Race {
  ApiScheme *scheme;
  gint done;
} Race;

static void *read_kinds(void *data)
{
  Race *race = data;
  while (!g_atomic_int_get(&race->done)) {
    const ApiKind *kind = api_scheme_resource(race->scheme, "a.example.com", "v1", "tabs");
    g_assert_nonnull(kind);
    g_assert_cmpstr(kind->kind, ==, "Tab");
    g_assert_nonnull(api_kind_current(kind)->message->schema);
    g_autoptr(GPtrArray) kinds = api_scheme_list(race->scheme);
    g_assert_cmpuint(kinds->len, >, 10);
  }
  return NULL;
}

static void test_race(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  api_scheme_install(scheme, define(DEFINITION(PLAIN), NULL));
  Race race = { .scheme = scheme };
  GThread *threads[2];
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("reader", read_kinds, &race);
  for (int i = 0; i < 100; i++)
    api_scheme_install(scheme, define(i % 2 ? DEFINITION(PLAIN) : DEFINITION("{'type':'object'}"), NULL));
  g_atomic_int_set(&race.done, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/custom-definition/creates", test_creates);
  g_test_add_func("/custom-definition/updates", test_updates);
  g_test_add_func("/custom-definition/scheme", test_scheme);
  g_test_add_func("/custom-definition/documents", test_documents);
  g_test_add_func("/custom-definition/decode", test_decode);
  g_test_add_func("/custom-definition/apply", test_apply);
  g_test_add_func("/custom-definition/race", test_race);
  return g_test_run();
}
