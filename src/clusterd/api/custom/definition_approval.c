#include "clusterd/api/custom/definition_approval.h"

#include <glib.h>
#include <string.h>

#include "base/json.h"

#define HELP "see https://github.com/kubernetes/enhancements/pull/1111"

static bool is_protected(const char *group)
{
  return strcmp(group, "k8s.io") == 0 || strcmp(group, "kubernetes.io") == 0 || g_str_has_suffix(group, ".k8s.io") ||
         g_str_has_suffix(group, ".kubernetes.io");
}

static bool is_absolute_url(const char *text)
{
  g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
  return uri && g_uri_get_host(uri) && *g_uri_get_host(uri);
}

DefinitionApproval definition_approval(const json_t *definition, char **message)
{
  const json_t *annotations = json_at(definition, "metadata", "annotations", NULL);
  const char *annotation = json_str(annotations, DEFINITION_APPROVAL_ANNOTATION, "");
  *message = NULL;
  if (!is_protected(json_str(json_object_get(definition, "spec"), "group", "")))
    return DEFINITION_APPROVAL_NOT_NEEDED;
  if (!*annotation) {
    *message = g_strdup("protected groups must have approval annotation \"" DEFINITION_APPROVAL_ANNOTATION "\", " HELP);
    return DEFINITION_APPROVAL_MISSING;
  }
  if (g_str_has_prefix(annotation, "unapproved")) {
    *message = g_strdup_printf("not approved: \"%s\"", annotation);
    return DEFINITION_APPROVAL_BYPASSED;
  }
  if (is_absolute_url(annotation)) {
    *message = g_strdup_printf("approved in %s", annotation);
    return DEFINITION_APPROVAL_GIVEN;
  }
  *message = g_strdup("protected groups must have approval annotation \"" DEFINITION_APPROVAL_ANNOTATION
                      "\" with either a URL or a reason starting with \"unapproved\", " HELP);
  return DEFINITION_APPROVAL_INVALID;
}
