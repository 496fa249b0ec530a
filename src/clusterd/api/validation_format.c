/* The named string rules. Source: k8s.io/apimachinery/pkg/util/validation. */
#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/validation.h"

#define LABEL_MAX 63
#define SUBDOMAIN_MAX 253
#define PORT_NAME_MAX 15
#define CONFIG_KEY_MAX 253
#define CRON_JOB_NAME_MAX 52 /* leaves room for the time its jobs' names end with */

typedef void (*FormatRule)(const char *text, const json_t *value, const char *path, FieldErrors *errors);
typedef void (*NumberRule)(int64_t number, const json_t *value, const char *path, FieldErrors *errors);

const char api_label_text[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const char api_subdomain_text[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const char api_label_1035_text[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char qualified_text[] =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
static const char label_value_text[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

static bool is_lower_alnum(char c)
{
  return g_ascii_islower(c) || g_ascii_isdigit(c);
}

/* The pattern [a-z0-9]([-a-z0-9]*[a-z0-9])? on LENGTH bytes. */
static bool matches_label(const char *text, size_t length)
{
  if (length == 0 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[length - 1]))
    return false;
  for (size_t i = 0; i < length; i++) {
    if (!is_lower_alnum(text[i]) && text[i] != '-')
      return false;
  }
  return true;
}

static bool matches_subdomain(const char *text)
{
  for (;;) {
    size_t length = strcspn(text, ".");
    if (!matches_label(text, length))
      return false;
    if (!text[length])
      return true;
    text += length + 1;
  }
}

/* The pattern ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]. */
static bool matches_qualified(const char *text)
{
  size_t length = strlen(text);
  if (length == 0 || !g_ascii_isalnum(text[0]) || !g_ascii_isalnum(text[length - 1]))
    return false;
  return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == length;
}

bool api_is_dns_label(const char *text)
{
  size_t length = strlen(text);
  return length <= LABEL_MAX && matches_label(text, length);
}

bool api_is_dns_subdomain(const char *text)
{
  return strlen(text) <= SUBDOMAIN_MAX && matches_subdomain(text);
}

static void check_length(const char *text, size_t maximum, const json_t *value, const char *path, FieldErrors *errors)
{
  if (strlen(text) > maximum)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be no more than %zu bytes", maximum);
}

static void check_label(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, LABEL_MAX, value, path, errors);
  if (!matches_label(text, strlen(text)))
    field_errors_add(errors, FIELD_INVALID, path, value, "%s", api_label_text);
}

static void check_subdomain(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, SUBDOMAIN_MAX, value, path, errors);
  if (!matches_subdomain(text))
    field_errors_add(errors, FIELD_INVALID, path, value, "%s", api_subdomain_text);
}

static void check_label_1035(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, LABEL_MAX, value, path, errors);
  if (!matches_label(text, strlen(text)) || !g_ascii_islower(text[0]))
    field_errors_add(errors, FIELD_INVALID, path, value, "%s", api_label_1035_text);
}

static void check_qualified_name(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  const char *slash = strchr(text, '/'), *name = slash ? slash + 1 : text;
  if (slash && strchr(name, '/')) {
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "a qualified name %s with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                     qualified_text);
    return;
  }
  g_autofree char *prefix = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
  if (prefix && !*prefix)
    field_errors_add(errors, FIELD_INVALID, path, value, "prefix part must be non-empty");
  else if (prefix && !api_is_dns_subdomain(prefix))
    field_errors_add(errors, FIELD_INVALID, path, value, "prefix part %s", api_subdomain_text);
  if (!*name)
    field_errors_add(errors, FIELD_INVALID, path, value, "name part must be non-empty");
  else if (strlen(name) > LABEL_MAX)
    field_errors_add(errors, FIELD_INVALID, path, value, "name part must be no more than %d bytes", LABEL_MAX);
  if (!matches_qualified(name))
    field_errors_add(errors, FIELD_INVALID, path, value, "name part %s", qualified_text);
}

static void check_label_value(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, LABEL_MAX, value, path, errors);
  if (*text && !matches_qualified(text))
    field_errors_add(errors, FIELD_INVALID, path, value, "%s", label_value_text);
}

static void check_port_name(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  size_t length = strlen(text);
  check_length(text, PORT_NAME_MAX, value, path, errors);
  if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!strpbrk(text, "abcdefghijklmnopqrstuvwxyz"))
    field_errors_add(errors, FIELD_INVALID, path, value, "must contain at least one letter (a-z)");
  if (strstr(text, "--"))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not contain consecutive hyphens");
  if (length > 0 && (text[0] == '-' || text[length - 1] == '-'))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not begin or end with a hyphen");
}

static void check_env_var_name(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  for (const char *c = text; *c; c++) {
    if (!g_ascii_isprint(*c) || *c == '=') {
      field_errors_add(errors, FIELD_INVALID, path, value,
                       "a valid environment variable name must consist only of printable ASCII characters other than "
                       "'='");
      return;
    }
  }
}

static void check_absolute_path(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  if (*text != '/')
    field_errors_add(errors, FIELD_INVALID, path, value, "must be an absolute path");
}

static bool is_ip(const char *text)
{
  struct in6_addr address;
  return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

bool api_is_ip(const char *text)
{
  return is_ip(text);
}

/* The bytes of the address before "/", their number, and the bits after it. */
static bool parse_range(const char *text, uint8_t address[16], unsigned *bytes, guint64 *bits)
{
  const char *slash = strchr(text, '/');
  g_autofree char *host = g_strndup(text, slash ? (gsize)(slash - text) : 0);
  *bytes = strchr(host, ':') ? 16 : 4;
  return slash && inet_pton(*bytes == 16 ? AF_INET6 : AF_INET, host, address) == 1 &&
         g_ascii_string_to_unsigned(slash + 1, 10, 0, *bytes * 8, bits, NULL);
}

bool api_is_strict_subnet(const char *inner, const char *outer)
{
  uint8_t a[16], b[16];
  unsigned a_bytes, b_bytes;
  guint64 a_bits, b_bits;
  if (!parse_range(inner, a, &a_bytes, &a_bits) || !parse_range(outer, b, &b_bytes, &b_bits))
    return false;
  if (a_bytes != b_bytes || a_bits <= b_bits)
    return false;
  for (unsigned bit = 0; bit < b_bits; bit++) {
    uint8_t mask = (uint8_t)(0x80 >> (bit % 8));
    if ((a[bit / 8] ^ b[bit / 8]) & mask)
      return false;
  }
  return true;
}

static void check_ip(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  if (!is_ip(text))
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

/* An address that a service or an endpoint may have. */
static void check_non_special_ip(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  uint8_t bytes[16] = { 0 };
  if (!is_ip(text)) {
    check_ip(text, value, path, errors);
    return;
  }
  bool ip6 = inet_pton(AF_INET, text, bytes) != 1;
  if (ip6)
    inet_pton(AF_INET6, text, bytes);
  static const uint8_t none[16], loopback6[16] = { [15] = 1 };
  bool loopback = ip6 ? memcmp(bytes, loopback6, 16) == 0 : bytes[0] == 127;
  bool link_local = ip6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 : bytes[0] == 169 && bytes[1] == 254;
  bool multicast = ip6 ? bytes[0] == 0xff && (bytes[1] & 0xf) == 2 : bytes[0] == 224 && bytes[1] == 0 && bytes[2] == 0;
  if (memcmp(bytes, none, ip6 ? 16 : 4) == 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "may not be unspecified (%s)", text);
  if (loopback)
    field_errors_add(errors, FIELD_INVALID, path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (link_local)
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (multicast)
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

static void check_cidr(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  const char *slash = strchr(text, '/');
  g_autofree char *address = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup("");
  guint64 bits = 0;
  bool ok = slash && is_ip(address) &&
            g_ascii_string_to_unsigned(slash + 1, 10, 0, strchr(address, ':') ? 128 : 32, &bits, NULL);
  if (!ok)
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

static void check_image(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  size_t length = strlen(text);
  if (length > 0 && (g_ascii_isspace(text[0]) || g_ascii_isspace(text[length - 1])))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not have leading or trailing whitespace");
}

static void check_config_key(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, CONFIG_KEY_MAX, value, path, errors);
  if (!*text || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") != strlen(text))
    field_errors_add(
        errors, FIELD_INVALID, path, value,
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  if (strcmp(text, ".") == 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must not be '.'");
  else if (strcmp(text, "..") == 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must not be '..'");
  else if (g_str_has_prefix(text, ".."))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not start with '..'");
}

static void check_path_segment(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "may not be '%s'", text);
  if (strchr(text, '/'))
    field_errors_add(errors, FIELD_INVALID, path, value, "may not contain '/'");
  if (strchr(text, '%'))
    field_errors_add(errors, FIELD_INVALID, path, value, "may not contain '%%'");
}

static void check_cron_job_name(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_subdomain(text, value, path, errors);
  if (strlen(text) > CRON_JOB_NAME_MAX)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be no more than %d characters", CRON_JOB_NAME_MAX);
}

static void check_no_backsteps(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  g_auto(GStrv) steps = g_strsplit(text, "/", -1);
  if (g_strv_contains((const char *const *)steps, ".."))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not contain '..'");
}

/* A path below some directory: relative, and without steps up. */
static void check_descending_path(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  if (*text == '/')
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a relative path");
  check_no_backsteps(text, value, path, errors);
}

static void check_local_path(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_descending_path(text, value, path, errors);
  if (g_str_has_prefix(text, "..") && !g_str_has_prefix(text, "../"))
    field_errors_add(errors, FIELD_INVALID, path, value, "must not start with '..'");
}

static void check_wildcard(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  check_length(text, SUBDOMAIN_MAX, value, path, errors);
  if (strncmp(text, "*.", 2) != 0 || !matches_subdomain(text + 2))
    field_errors_add(
        errors, FIELD_INVALID, path, value,
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
        "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
        "(e.g. '*.example.com', regex used for validation is "
        "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
}

/* A domain and a path after it: "example.com/controller". */
static void check_domain_path(const char *text, const json_t *value, const char *path, FieldErrors *errors)
{
  const char *slash = strchr(text, '/');
  g_autofree char *domain = g_strndup(text, slash ? (gsize)(slash - text) : 0);
  if (!slash || !*domain || !slash[1]) {
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    return;
  }
  g_autoptr(json_t) domain_value = json_string(domain);
  check_subdomain(domain, domain_value, path, errors);
  if (strspn(slash + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-~%!$&'()*+,;=:@") !=
      strlen(slash + 1))
    field_errors_add(errors, FIELD_INVALID, path, value,
                     "Invalid path (regex used for validation is "
                     "'[A-Za-z0-9/\\-._~%%!$&'()*+,;=:]+')");
}

static void check_file_mode(int64_t number, const json_t *value, const char *path, FieldErrors *errors)
{
  if (number < 0 || number > 0777)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a number between 0 and 0777 (octal), both inclusive");
}

static void check_weight(int64_t number, const json_t *value, const char *path, FieldErrors *errors)
{
  if (number < 1 || number > 100)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be in the range 1-100");
}

static const struct {
  const char *name;
  NumberRule rule;
} number_rules[] = {
  { "fileMode", check_file_mode },
  { "weight", check_weight },
};

static const struct {
  const char *name;
  FormatRule rule;
} format_rules[] = {
  { "nonSpecialIP", check_non_special_ip },
  { "wildcardSubdomain", check_wildcard },
  { "domainPrefixedPath", check_domain_path },
  { "noBacksteps", check_no_backsteps },
  { "descendingPath", check_descending_path },
  { "localPath", check_local_path },
  { "dns1123label", check_label },
  { "dns1123subdomain", check_subdomain },
  { "dns1035label", check_label_1035 },
  { "qualifiedName", check_qualified_name },
  { "labelValue", check_label_value },
  { "portName", check_port_name },
  { "envVarName", check_env_var_name },
  { "absolutePath", check_absolute_path },
  { "ip", check_ip },
  { "cidr", check_cidr },
  { "imageReference", check_image },
  { "configMapKey", check_config_key },
  { "pathSegment", check_path_segment },
  { "cronJobName", check_cron_job_name },
};

void api_validate_format(const char *format, const json_t *value, const char *path, FieldErrors *errors)
{
  const char *text = json_string_value(value);
  for (size_t i = 0; json_is_integer(value) && i < G_N_ELEMENTS(number_rules); i++) {
    if (strcmp(number_rules[i].name, format) == 0)
      number_rules[i].rule(json_integer_value(value), value, path, errors);
  }
  if (!text)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS(format_rules); i++) {
    if (strcmp(format_rules[i].name, format) == 0) {
      format_rules[i].rule(text, value, path, errors);
      return;
    }
  }
  g_warning("no validation rule is called %s", format);
}
