/* DenyServiceExternalIPs: a service's external IPs take traffic meant for others; no new ones are let in. */
#include "base/json.h"
#include "clusterd/server/admission/admission.h"

static bool holds(const json_t *array, const json_t *text)
{
  size_t i;
  json_t *element;
  json_array_foreach (array, i, element)
    if (json_equal(element, text))
      return true;
  return false;
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  size_t i;
  json_t *address;
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "services"))
    return true;
  json_array_foreach (json_at(request->object, "spec", "externalIPs", NULL), i, address)
    if (!holds(json_at(request->old, "spec", "externalIPs", NULL), address))
      return admission_forbid(request, error, "Use of external IPs is denied by admission control");
  return true;
}

const AdmissionPlugin admission_deny_external_ips = { .name = "DenyServiceExternalIPs", .validate = validate };
