#include "clusterd/server/admission.h"

#include "clusterd/server/registry_private.h"

static const AdmissionPlugin *const plugins[] = {
  &admission_namespace_lifecycle, &admission_service_account, &admission_priority,
  &admission_default_tolerations, &admission_service_address, &admission_rbac_escalation,
};

struct Admission {
  void *states[G_N_ELEMENTS(plugins)];
};

Admission *admission_new(Registry *registry)
{
  Admission *admission = g_new0(Admission, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->create)
      admission->states[i] = plugins[i]->create(registry);
  return admission;
}

void admission_load(Admission *admission)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->load)
      plugins[i]->load(admission->states[i]);
}

void admission_free(Admission *admission)
{
  if (!admission)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->destroy)
      plugins[i]->destroy(admission->states[i]);
  g_free(admission);
}

bool admission_mutate(Admission *admission, AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->mutate && !plugins[i]->mutate(admission->states[i], request, error))
      return false;
  return true;
}

bool admission_allocate(Admission *admission, AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->allocate && !plugins[i]->allocate(admission->states[i], request, error))
      return false;
  return true;
}

bool admission_validate(Admission *admission, const AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->validate && !plugins[i]->validate(admission->states[i], request, error))
      return false;
  return true;
}

void admission_finish(Admission *admission, const AdmissionRequest *request)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i]->finish)
      plugins[i]->finish(admission->states[i], request);
}

bool admission_use_service_range(Admission *admission, const char *range, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS(plugins); i++)
    if (plugins[i] == &admission_service_address)
      return admission_set_service_range(admission->states[i], range, error);
  return true;
}

bool admission_is_about(const AdmissionRequest *request, const char *group, const char *plural)
{
  return !request->target->subresource && g_str_equal(request->kind->group, group) &&
         g_str_equal(request->kind->plural, plural);
}
