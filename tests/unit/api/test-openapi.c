/* OpenAPI: what kubectl looks for in each document, and the protobuf form field by field. */
#include <glib.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi.h"

static ApiScheme *scheme;

static json_t *parameter(const json_t *operation, const char *name)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get(operation, "parameters"), i, one)
    if (g_strcmp0(json_str(one, "name", NULL), name) == 0)
      return one;
  return NULL;
}

/* kubectl trusts the server's validation and dry run of a kind when a patch of that kind takes these parameters. */
static void assert_patch_operation(const json_t *document, const char *path, const char *gvk_text)
{
  const json_t *patch = json_at(document, "paths", path, "patch", NULL);
  g_assert_nonnull(patch);
  g_autofree char *gvk = json_text(json_object_get(patch, "x-kubernetes-group-version-kind"));
  g_assert_cmpstr(gvk, ==, gvk_text);
  g_assert_cmpstr(json_str(parameter(patch, "fieldValidation"), "in", ""), ==, "query");
  g_assert_cmpstr(json_str(parameter(patch, "dryRun"), "in", ""), ==, "query");
}

/* Every reference of the document leads to a schema. */
static void assert_references(const json_t *value, const json_t *schemas)
{
  const char *key;
  json_t *member;
  size_t i;
  json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
    if (strcmp(key, "$ref") == 0 && json_is_string(member)) {
      const char *name = strrchr(json_string_value(member), '/') + 1;
      if (!json_object_get(schemas, name))
        g_error("no schema %s", name);
    }
    assert_references(member, schemas);
  }
  json_array_foreach (value, i, member)
    assert_references(member, schemas);
}

#define POD "io.k8s.api.core.v1.Pod"
#define POD_SPEC "io.k8s.api.core.v1.PodSpec"

static void test_v3(void)
{
  g_autoptr(json_t) document = openapi_v3(scheme, "api/v1");
  const json_t *schemas = json_at(document, "components", "schemas", NULL);
  assert_patch_operation(document, "/api/v1/namespaces/{namespace}/pods/{name}",
                         "{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"}");
  assert_patch_operation(document, "/api/v1/namespaces/{name}",
                         "{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Namespace\"}");
  g_autofree char *gvk = json_text(json_at(schemas, POD, "x-kubernetes-group-version-kind", NULL));
  g_assert_cmpstr(gvk, ==, "[{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"}]");
  const json_t *containers = json_at(schemas, POD_SPEC, "properties", "containers", NULL);
  g_assert_cmpstr(json_str(containers, "x-kubernetes-patch-merge-key", ""), ==, "name");
  g_assert_cmpstr(json_str(containers, "x-kubernetes-list-type", ""), ==, "map");
  g_assert_nonnull(json_at(containers, "items", "allOf", NULL));
  assert_references(document, schemas);
  g_assert_null(openapi_v3(scheme, "apis/nope/v1"));
}

static char *constant_hash(const char *path, void *data)
{
  return g_strdup(data);
}

static void test_v3_index(void)
{
  g_autoptr(json_t) index = openapi_v3_index(scheme, constant_hash, (char[]){ "AB" });
  g_assert_cmpstr(json_str(json_at(index, "paths", "apis/apps/v1", NULL), "serverRelativeURL", ""), ==,
                  "/openapi/v3/apis/apps/v1?hash=AB");
  g_assert_nonnull(json_at(index, "paths", "api/v1", NULL));
}

static void test_v2(void)
{
  g_autoptr(json_t) document = openapi_v2(scheme);
  const json_t *definitions = json_object_get(document, "definitions");
  assert_patch_operation(document, "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
                         "{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"}");
  g_autofree char *spec = json_text(json_at(definitions, POD, "properties", "spec", NULL));
  g_assert_true(strstr(spec, "\"$ref\":\"#/definitions/" POD_SPEC "\"") != NULL);
  g_autofree char *required = json_text(json_at(definitions, POD_SPEC, "required", NULL));
  g_assert_cmpstr(required, ==, "[\"containers\"]");
  g_assert_nonnull(json_at(definitions, POD, "properties", "apiVersion", NULL));
  g_assert_null(json_at(definitions, POD_SPEC, "properties", "kind", NULL));
  g_assert_nonnull(json_at(definitions, "io.k8s.api.core.v1.PodList", "properties", "items", NULL));
  assert_references(document, definitions);
}

/* The bytes of the first field NUMBER among the length-delimited fields at DATA. */
static GBytes *field(GBytes *bytes, unsigned number)
{
  gsize size, at = 0;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  while (at < size) {
    guint64 numbers[2];
    for (int i = 0; i < 2; i++) {
      numbers[i] = 0;
      for (int shift = 0;; shift += 7) {
        guint8 byte = data[at++];
        numbers[i] |= (guint64)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
          break;
      }
      if (i == 0 && (numbers[0] & 7) == 0)
        continue;
    }
    if ((numbers[0] & 7) == 0)
      continue;
    g_assert_cmpuint(numbers[0] & 7, ==, 2);
    if (numbers[0] >> 3 == number)
      return g_bytes_new_from_bytes(bytes, at, numbers[1]);
    at += numbers[1];
  }
  return NULL;
}

static void assert_text(GBytes *bytes, const char *expected)
{
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected, strlen(expected));
}

static void test_protobuf(void)
{
  g_autoptr(json_t) small = NULL;
  g_autoptr(GError) error = NULL;
  static const char text[] =
      "{\"swagger\":\"2.0\",\"info\":{\"title\":\"T\",\"version\":\"v\"},\"paths\":{},\"definitions\":{\"a.B\":{"
      "\"type\":\"object\",\"properties\":{\"c\":{\"type\":\"string\"}},\"x-kubernetes-map-type\":\"atomic\"}}}";
  small = json_parse(text, sizeof text - 1, true, NULL);
  g_autoptr(GBytes) bytes = openapi_v2_protobuf(small, &error);
  g_assert_nonnull(bytes);
  g_autoptr(GBytes) swagger = field(bytes, 1);
  assert_text(swagger, "2.0");
  g_autoptr(GBytes) definitions = field(bytes, 9);
  g_autoptr(GBytes) named = field(definitions, 1);
  g_autoptr(GBytes) name = field(named, 1);
  assert_text(name, "a.B");
  g_autoptr(GBytes) schema = field(named, 2);
  g_autoptr(GBytes) type = field(schema, 22);
  g_autoptr(GBytes) type_value = field(type, 1);
  assert_text(type_value, "object");
  g_autoptr(GBytes) extension = field(schema, 31);
  g_autoptr(GBytes) any = field(extension, 2);
  g_autoptr(GBytes) yaml = field(any, 2);
  assert_text(yaml, "\"atomic\"");

  g_autoptr(json_t) nothing = json_object();
  g_assert_null(openapi_v2_protobuf(nothing, &error));
}

static void test_protobuf_whole(void)
{
  g_autoptr(json_t) document = openapi_v2(scheme);
  g_autoptr(GBytes) bytes = openapi_v2_protobuf(document, NULL);
  g_assert_cmpuint(g_bytes_get_size(bytes), >, 100000);
  g_test_message("%zu bytes", g_bytes_get_size(bytes));
}

static json_t *parse(const char *text)
{
  json_t *value = json_loads(text, 0, NULL);
  g_assert_nonnull(value);
  return value;
}

/* What another server says, put into a document that has names of its own. */
static void test_v2_merge(void)
{
  g_autoptr(json_t) document = parse(
      "{\"paths\":{\"/api/v1/\":{}},\"definitions\":{\"Same\":{\"type\":\"string\"},\"Meta\":{\"type\":\"object\"},"
      "\"Meta_v2\":{\"type\":\"object\"}}}");
  g_autoptr(json_t) other = parse(
      "{\"paths\":{\"/apis/g.io/v1/as\":{\"get\":{\"schema\":{\"$ref\":\"#/definitions/A\"}}},\"/apis/g.io/v1beta1/"
      "as\":{},"
      "\"/apis/g.io/v1\":{},\"/version\":{\"schema\":{\"$ref\":\"#/definitions/Unused\"}}},"
      "\"definitions\":{\"A\":{\"properties\":{\"m\":{\"$ref\":\"#/definitions/Meta\"},\"s\":{\"$ref\":\"#/definitions/"
      "Same\"},"
      "\"x\":{\"$ref\":\"#/definitions/None\"}}},\"Meta\":{\"items\":[{\"$ref\":\"#/definitions/A\"}],"
      "\"x-kubernetes-group-version-kind\":[{\"kind\":\"Meta\"}]},\"Same\":{\"type\":\"string\"},\"Unused\":{}}}");
  g_autofree char *before = json_text(other);
  g_autoptr(json_t) part = openapi_v2_part(other, "g.io", "v1");
  openapi_v2_merge(document, part);
  openapi_v2_merge(document, part); /* once is enough for paths; what is known goes by its new name again */
  g_autofree char *after = json_text(other);
  g_assert_cmpstr(after, ==, before);
  g_autoptr(json_t) expected =
      parse("{\"/api/v1/\":{},\"/apis/g.io/v1/as\":{\"get\":{\"schema\":{\"$ref\":\"#/definitions/A\"}}}}");
  g_assert_true(json_equal(json_object_get(document, "paths"), expected));
  const json_t *definitions = json_object_get(document, "definitions");
  g_assert_cmpstr(json_str(json_at(definitions, "A", "properties", "m", NULL), "$ref", ""), ==,
                  "#/definitions/Meta_v3");
  g_assert_cmpstr(json_str(json_at(definitions, "A", "properties", "s", NULL), "$ref", ""), ==, "#/definitions/Same");
  g_assert_cmpstr(json_str(json_object_get(definitions, "Meta"), "type", ""), ==, "object");
  g_assert_cmpstr(json_str(json_array_get(json_at(definitions, "Meta_v3", "items", NULL), 0), "$ref", ""), ==,
                  "#/definitions/A");
  g_assert_null(json_at(definitions, "Meta_v3", "x-kubernetes-group-version-kind", NULL));
  g_assert_null(json_object_get(definitions, "Unused"));
  g_assert_null(json_object_get(definitions, "None"));
  g_autoptr(json_t) nothing = openapi_v2_part(NULL, "g.io", "v1");
  openapi_v2_merge(document, nothing);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/openapi/v3", test_v3);
  g_test_add_func("/openapi/v3-index", test_v3_index);
  g_test_add_func("/openapi/v2", test_v2);
  g_test_add_func("/openapi/v2-merge", test_v2_merge);
  g_test_add_func("/openapi/protobuf", test_protobuf);
  g_test_add_func("/openapi/protobuf-whole", test_protobuf_whole);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}
