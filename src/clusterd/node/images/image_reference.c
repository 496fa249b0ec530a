#include "clusterd/node/images/image_reference.h"

#include <string.h>

#include "base/reason.h"

#define DEFAULT_REGISTRY "docker.io"
#define OLD_REGISTRY "index.docker.io"
#define NAME_LENGTH_MAX 255 /* of what is behind the registry */

bool image_digest_valid(const char *text)
{
  static const char prefix[] = "sha256:";
  return text && g_str_has_prefix(text, prefix) && strlen(text) == sizeof prefix - 1 + 64 &&
         strspn(text + sizeof prefix - 1, "0123456789abcdef") == 64;
}

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
static bool tag_valid(const char *tag)
{
  size_t length = strlen(tag);
  if (length == 0 || length > 128 || *tag == '.' || *tag == '-')
    return false;
  for (; *tag; tag++)
    if (!g_ascii_isalnum(*tag) && !strchr("._-", *tag))
      return false;
  return true;
}

/* Lower-case letters and digits, joined by single ".", "_", "__" or dashes. */
static bool component_valid(const char *part)
{
  size_t length = strlen(part);
  if (length == 0 || !g_ascii_isalnum(part[0]) || !g_ascii_isalnum(part[length - 1]))
    return false;
  for (size_t i = 0; i < length; i++)
    if (!(g_ascii_islower(part[i]) || g_ascii_isdigit(part[i]) || strchr("._-", part[i])))
      return false;
  return !strstr(part, "..") && !strstr(part, "___");
}

static bool registry_valid(const char *host)
{
  for (const char *p = host; *p; p++)
    if (!g_ascii_isalnum(*p) && !strchr(".-:[]", *p))
      return false;
  return (g_ascii_isalnum(*host) || *host == '[') && !strstr(host, "..");
}

static bool has_capital(const char *text)
{
  for (; *text; text++)
    if (g_ascii_isupper(*text))
      return true;
  return false;
}

/* The first part is a registry when it cannot be a user's name on the default one. */
static bool names_registry(const char *part)
{
  return strpbrk(part, ".:") || g_str_equal(part, "localhost") || has_capital(part);
}

/* *WHY, the caller's, gets what is special about a name that is none. */
static char *normal_name(const char *name, char **why)
{
  g_auto(GStrv) parts = g_strsplit(name, "/", -1);
  bool has_registry = parts[0] && parts[1] && names_registry(parts[0]);
  const char *registry = has_registry ? parts[0] : DEFAULT_REGISTRY;
  char **path = parts + (has_registry ? 1 : 0);
  if (!path[0] || !registry_valid(registry))
    return NULL;
  g_autofree char *joined = g_strjoinv("/", path);
  bool official = (g_str_equal(registry, DEFAULT_REGISTRY) || g_str_equal(registry, OLD_REGISTRY)) && !path[1];
  if (has_capital(joined))
    *why = g_strdup_printf(": repository name (%s%s) must be lowercase", official ? "library/" : "", joined);
  if (!parts[1] && strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64)
    *why = g_strdup_printf(": invalid repository name (%s), cannot specify 64-byte hexadecimal strings", name);
  if (*why || strlen(joined) + (official ? strlen("library/") : 0) > NAME_LENGTH_MAX)
    return NULL;
  for (char **part = path; *part; part++)
    if (!component_valid(*part))
      return NULL;
  if (g_str_equal(registry, OLD_REGISTRY))
    registry = DEFAULT_REGISTRY;
  return g_strdup_printf("%s/%s%s", registry, official ? "library/" : "", joined);
}

static bool parse(char *text, ImageReference *reference, char **why)
{
  char *at = strchr(text, '@');
  if (at) {
    *at = '\0';
    if (!image_digest_valid(at + 1))
      return false;
    reference->digest = g_strdup(at + 1);
  }
  char *colon = strrchr(text, ':');
  if (colon && !strchr(colon, '/')) {
    *colon = '\0';
    if (!tag_valid(colon + 1))
      return false;
    reference->tag = g_strdup(colon + 1);
  }
  reference->name = normal_name(text, why);
  if (!reference->tag && !reference->digest)
    reference->tag = g_strdup("latest");
  return reference->name != NULL;
}

/* What is kept is the normal form, which may be longer than what was written. */
static bool fits(const ImageReference *reference)
{
  g_autofree char *text = image_reference_text(reference);
  return strlen(text) <= IMAGE_REFERENCE_MAX;
}

bool image_reference_parse(const char *text, ImageReference *reference, GError **error)
{
  *reference = (ImageReference){ 0 };
  g_autofree char *copy = text ? g_strndup(text, IMAGE_REFERENCE_MAX + 1) : NULL;
  g_autofree char *why = NULL;
  if (copy && strlen(copy) <= IMAGE_REFERENCE_MAX && parse(copy, reference, &why) && fits(reference))
    return true;
  image_reference_clear(reference);
  return reason_set(error, REASON_BAD_REQUEST, "couldn't parse image reference \"%.100s\": invalid reference format%s",
                    text ? text : "", why ? why : "");
}

void image_reference_clear(ImageReference *reference)
{
  g_clear_pointer(&reference->name, g_free);
  g_clear_pointer(&reference->tag, g_free);
  g_clear_pointer(&reference->digest, g_free);
}

char *image_reference_text(const ImageReference *reference)
{
  return reference->digest ? g_strdup_printf("%s@%s", reference->name, reference->digest)
                           : g_strdup_printf("%s:%s", reference->name, reference->tag);
}

char *image_chain_id(const char *previous, const char *diff_id)
{
  if (!previous)
    return g_strdup(diff_id);
  g_autofree char *both = g_strdup_printf("%s %s", previous, diff_id);
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, both, -1);
  return g_strconcat("sha256:", hex, NULL);
}
