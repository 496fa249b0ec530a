/* The codec against real objects of every kind (JSON and protobuf of the same object), and its error texts. */
#include <glib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/codec.h"

static ApiScheme *scheme;

static const ApiMessage *message_of(const char *openapi_name)
{
  const ApiMessage *message = api_builtin_message(openapi_name);
  g_assert_nonnull(message);
  return message;
}

static const ApiMessage *pod(void)
{
  return message_of("io.k8s.api.core.v1.Pod");
}

static json_t *decode(const ApiMessage *message, const char *kind, const char *text, FieldValidation validation,
                      json_t *warnings, GError **error)
{
  return codec_decode(CODEC_JSON, message, "v1", kind, text, strlen(text), validation, warnings, error);
}

static void assert_decodes(const char *text, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = decode(pod(), "Pod", text, FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *result = json_text(value);
  g_assert_cmpstr(result, ==, expected);
}

static void assert_refused(const char *text, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = decode(pod(), "Pod", text, FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_null(value);
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  const char *prefix = "Pod in version \"v1\" cannot be handled as a Pod: ";
  g_assert_true(g_str_has_prefix(error->message, prefix));
  g_assert_cmpstr(error->message + strlen(prefix), ==, expected);
}

static void test_order(void)
{
  assert_decodes("{\"status\":{\"phase\":\"Pending\"},\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"image\":"
                 "\"i\",\"name\":\"c\"}]},\"metadata\":{\"name\":\"p\"},\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
                 "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{"
                 "\"name\":\"c\",\"image\":\"i\"}],\"restartPolicy\":\"Never\"},\"status\":{\"phase\":\"Pending\"}}");
}

static void test_zeros(void)
{
  /* Zero scalars go unless upstream holds them by pointer; nulls go, but a creation time that is null stays. */
  assert_decodes("{\"metadata\":{\"creationTimestamp\":null,\"labels\":{},\"namespace\":\"\",\"finalizers\":null},"
                 "\"spec\":{\"hostNetwork\":false,\"enableServiceLinks\":false,\"priority\":0,\"containers\":[]}}",
                 "{\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"containers\":[],\"priority\":0,"
                 "\"enableServiceLinks\":false}}");
}

static void test_canonical(void)
{
  assert_decodes("{\"metadata\":{\"creationTimestamp\":\"2026-01-02T03:04:05+01:00\"},\"spec\":{\"containers\":[{"
                 "\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":0.5,\"memory\":\"1024Mi\"}}}]}}",
                 "{\"metadata\":{\"creationTimestamp\":\"2026-01-02T02:04:05Z\"},\"spec\":{\"containers\":[{\"name\":"
                 "\"c\",\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}}}]}}");
}

static void test_inline(void)
{
  assert_decodes("{\"spec\":{\"volumes\":[{\"emptyDir\":{},\"name\":\"v\"}],\"containers\":[]}}",
                 "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],\"containers\":[]}}");
}

static void test_wrong_types(void)
{
  assert_refused("{\"spec\":{\"containers\":[{\"name\":1}]}}",
                 "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string");
  assert_refused("{\"spec\":{\"containers\":{}}}",
                 "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container");
  assert_refused("{\"spec\":{\"priority\":\"x\"}}",
                 "json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32");
  assert_refused("{\"spec\":{\"priority\":4294967296}}",
                 "json: cannot unmarshal number 4294967296 into Go struct field PodSpec.spec.priority of type int32");
  assert_refused("{\"metadata\":{\"labels\":{\"a\":true}}}",
                 "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string");
  assert_refused("{\"spec\":[]}", "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec");
  assert_refused("[]", "json: cannot unmarshal array into Go value of type v1.Pod");
  assert_refused("{\"spec\":{\"overhead\":{\"cpu\":\"x\"}}}", "quantities must match the regular expression "
                                                              "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  assert_refused("{\"metadata\":{\"creationTimestamp\":\"now\"}}",
                 "parsing time \"now\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"now\" as \"2006\"");
  assert_refused("{\"spec\":", "unexpected end of JSON input");
  assert_refused("{\"spec\":}", "invalid character '}' looking for beginning of value");
}

static void test_unknown_fields(void)
{
  const char *text = "{\"spec\":{\"foo\":1,\"containers\":[{\"name\":\"a\",\"imagee\":\"i\"}]},\"specc\":{}}";
  assert_refused(text, "strict decoding error: unknown field \"spec.containers[0].imagee\", unknown field "
                       "\"spec.foo\", unknown field \"specc\"");
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) warnings = json_array();
  g_autoptr(json_t) value = decode(pod(), "Pod", text, FIELD_VALIDATION_WARN, warnings, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(json_array_size(warnings), ==, 3);
  g_assert_cmpstr(json_string_value(json_array_get(warnings, 1)), ==, "unknown field \"spec.foo\"");
  g_assert_null(json_object_get(value, "specc"));
  g_autoptr(json_t) ignored = decode(pod(), "Pod", text, FIELD_VALIDATION_IGNORE, NULL, &error);
  g_assert_no_error(error);
  g_assert_true(json_equal(ignored, value));
}

static void test_duplicate_fields(void)
{
  assert_refused("{\"spec\":{\"nodeName\":\"a\",\"nodeName\":\"b\",\"containers\":[{\"name\":\"a\",\"name\":\"b\"}]}}",
                 "strict decoding error: duplicate field \"spec.nodeName\", duplicate field "
                 "\"spec.containers[0].name\"");
}

static void test_yaml(void)
{
  const char *text = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: c\n    image: i\n";
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value =
      codec_decode(CODEC_YAML, pod(), "v1", "Pod", text, strlen(text), FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(json_str(json_array_get(json_at(value, "spec", "containers", NULL), 0), "image", ""), ==, "i");
}

static void test_content_types(void)
{
  CodecType type;
  g_autoptr(GError) error = NULL;
  g_assert_true(codec_of_content_type(NULL, &type, NULL) && type == CODEC_JSON);
  g_assert_true(codec_of_content_type("application/json; charset=utf-8", &type, NULL) && type == CODEC_JSON);
  g_assert_true(codec_of_content_type("application/yaml", &type, NULL) && type == CODEC_YAML);
  g_assert_true(codec_of_content_type("application/vnd.kubernetes.protobuf", &type, NULL) && type == CODEC_PROTOBUF);
  g_assert_false(codec_of_content_type("text/plain", &type, &error));
  g_assert_true(reason_is(error, REASON_UNSUPPORTED_MEDIA_TYPE));
}

static void assert_peek(const char *text, const char *api_version, const char *kind)
{
  g_autofree char *found_version = NULL, *found_kind = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_true(codec_peek(CODEC_JSON, text, strlen(text), &found_version, &found_kind, &error));
  g_assert_cmpstr(found_version, ==, api_version);
  g_assert_cmpstr(found_kind, ==, kind);
}

static void test_peek(void)
{
  assert_peek("{\"spec\":{\"kind\":\"No\",\"x\":[1,{\"a\":\"}\\\"\"}]}, \"kind\" : \"Pod\" ,\"apiVersion\":\"v1\"}",
              "v1", "Pod");
  assert_peek("{}", NULL, NULL);
  assert_peek("{\"kind\":\"\\u0050od\"}", NULL, "Pod");
  g_autofree char *version = NULL, *kind = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_false(codec_peek(CODEC_JSON, "{\"a\":", 5, &version, &kind, &error));
  g_assert_cmpstr(error->message, ==, "couldn't get version/kind; json parse error: unexpected end of JSON input");
}

static void test_depth(void)
{
  /* JSONSchema-like recursion has no built-in message here: depth is bounded by the parser. */
  g_autoptr(GString) deep = g_string_new("{\"x\":");
  for (unsigned i = 0; i < 5000; i++)
    g_string_append_c(deep, '[');
  g_autoptr(GError) error = NULL;
  g_assert_null(decode(pod(), "Pod", deep->str, FIELD_VALIDATION_STRICT, NULL, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
}

/* What has several types in JSON is a message in protobuf, and comes back as it was. */
static void test_unions(void)
{
  const char *text =
      "{\"kind\":\"CustomResourceDefinition\",\"apiVersion\":\"apiextensions.k8s.io/v1\",\"metadata\":{},\"spec\":{"
      "\"group\":\"e.com\",\"names\":{\"plural\":\"tabs\",\"kind\":\"Tab\"},\"scope\":\"Cluster\",\"versions\":[{"
      "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"$ref\":\"#/x\",\"type\":"
      "\"object\",\"default\":{\"a\":[1]},\"maximum\":1.5,\"minLength\":0,\"enum\":[1,\"a\",{}],\"items\":{\"type\":"
      "\"string\"},\"properties\":{\"a\":{\"items\":[{\"type\":\"integer\"},{\"nullable\":true}],"
      "\"additionalProperties\":false,\"x-kubernetes-int-or-string\":true},\"b\":{\"additionalProperties\":true,"
      "\"x-kubernetes-preserve-unknown-fields\":false}},\"additionalProperties\":{\"type\":\"string\"},"
      "\"dependencies\":{\"a\":[\"b\",\"c\"],\"b\":{\"type\":\"object\"}}}}}]},\"status\":{\"conditions\":[],"
      "\"acceptedNames\":{\"plural\":\"\",\"kind\":\"\"},\"storedVersions\":[]}}";
  const char *kind = "CustomResourceDefinition", *api_version = "apiextensions.k8s.io/v1";
  const ApiMessage *message = api_builtin_message_of("apiextensions.k8s.io", "v1", kind);
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) first = decode(message, kind, text, FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(GBytes) bytes = codec_encode_protobuf(message, api_version, kind, first, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) second = codec_decode(CODEC_PROTOBUF, message, "v1", kind, g_bytes_get_data(bytes, NULL),
                                          g_bytes_get_size(bytes), FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *got_first = json_text(first), *got_second = json_text(second);
  g_assert_cmpstr(got_first, ==, text);
  g_assert_true(json_equal(json_object_get(second, "spec"), json_object_get(first, "spec")));
  g_autoptr(GBytes) again = codec_encode_protobuf(message, api_version, kind, second, &error);
  g_assert_true(g_bytes_equal(bytes, again));
}

static void test_bad_protobuf(void)
{
  static const struct {
    const char *data;
    gsize length;
  } cases[] = {
    { "", 0 },
    { "k8s", 3 },
    { "k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 15 },
    { "k8s\0\x12\x03\x0a\x7f\x41", 9 },
    { "k8s\0\x12\x02\x08\x01", 8 },              /* metadata as a number */
    { "k8s\0\x12\x02\x07\x01", 8 },              /* wire type 7 */
    { "k8s\0\x12\x05\x0a\x03\x0a\x01\xff", 11 }, /* a name that is no UTF-8 */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) value = codec_decode(CODEC_PROTOBUF, pod(), "v1", "Pod", cases[i].data, cases[i].length,
                                           FIELD_VALIDATION_IGNORE, NULL, &error);
    g_assert_null(value);
    g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  }
}

/* The object at PATH (.json) and its protobuf twin: each decodes to the same value, which encodes to the twin. */
static void check_pair(const char *path, const char *api_version, const char *kind, const ApiMessage *message)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".json"));
  g_autofree char *protobuf_path = g_strconcat(stem, ".pb", NULL);
  g_autoptr(GBytes) text = file_read(path, JSON_TEXT_MAX, &error);
  g_autoptr(GBytes) protobuf = file_read(protobuf_path, JSON_TEXT_MAX, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) original = json_parse(g_bytes_get_data(text, NULL), g_bytes_get_size(text), true, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) from_json = codec_decode(CODEC_JSON, message, "v1", kind, g_bytes_get_data(text, NULL),
                                             g_bytes_get_size(text), FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) from_protobuf = codec_decode(CODEC_PROTOBUF, message, "v1", kind, g_bytes_get_data(protobuf, NULL),
                                                 g_bytes_get_size(protobuf), FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *expected = json_text(original), *got_json = json_text(from_json),
                  *got_protobuf = json_text(from_protobuf);
  g_assert_cmpstr(got_json, ==, expected);
  g_assert_cmpstr(got_protobuf, ==, expected);
  g_autoptr(GBytes) encoded = codec_encode_protobuf(message, api_version, kind, from_json, &error);
  g_assert_no_error(error);
  if (!g_bytes_equal(encoded, protobuf))
    g_error("%s: encodes to other bytes", protobuf_path);
}

static void test_reference_objects(void)
{
  const char *reference = g_getenv("LAUNCHER_REFERENCE");
  g_autofree char *folder = g_build_filename(reference ? reference : "", "data", "api-objects", NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  unsigned checked = 0;
  if (!dir) {
    g_test_skip("the reference objects are not here (LAUNCHER_REFERENCE)");
    return;
  }
  for (const char *name; (name = g_dir_read_name(dir));) {
    if (!g_str_has_suffix(name, ".json"))
      continue;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(json_t) object = json_read_file(path, NULL);
    const char *api_version = json_str(object, "apiVersion", ""), *kind = json_str(object, "kind", "");
    const char *slash = strchr(api_version, '/');
    g_autofree char *group = slash ? g_strndup(api_version, (gsize)(slash - api_version)) : g_strdup("");
    const ApiMessage *message = api_builtin_message_of(group, slash ? slash + 1 : api_version, kind);
    if (!message)
      continue;
    check_pair(path, api_version, kind, message);
    checked++;
  }
  g_test_message("%u objects", checked);
  g_assert_cmpuint(checked, >, 40);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  scheme = api_scheme_new();
  g_test_add_func("/codec/order", test_order);
  g_test_add_func("/codec/zeros", test_zeros);
  g_test_add_func("/codec/canonical", test_canonical);
  g_test_add_func("/codec/inline", test_inline);
  g_test_add_func("/codec/wrong-types", test_wrong_types);
  g_test_add_func("/codec/unknown-fields", test_unknown_fields);
  g_test_add_func("/codec/duplicate-fields", test_duplicate_fields);
  g_test_add_func("/codec/yaml", test_yaml);
  g_test_add_func("/codec/content-types", test_content_types);
  g_test_add_func("/codec/peek", test_peek);
  g_test_add_func("/codec/depth", test_depth);
  g_test_add_func("/codec/unions", test_unions);
  g_test_add_func("/codec/bad-protobuf", test_bad_protobuf);
  g_test_add_func("/codec/reference-objects", test_reference_objects);
  int result = g_test_run();
  api_scheme_free(scheme);
  return result;
}
