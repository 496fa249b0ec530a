#include "clusterd/api/kind.h"

#include <stdlib.h>
#include <string.h>

static int compare_field_name(const void *key, const void *element)
{
  const ApiField *const *field = element;
  return strcmp(key, (*field)->name);
}

const ApiField *api_message_field(const ApiMessage *message, const char *name)
{
  if (message->by_name) {
    const ApiField *const *found =
        bsearch(name, message->by_name, message->n_by_name, sizeof *message->by_name, compare_field_name);
    return found ? *found : NULL;
  }
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ApiField *field = &message->fields[i];
    if (field->flags & API_FIELD_INLINE) {
      const ApiField *inlined = api_message_field(field->message, name);
      if (inlined) {
        return inlined;
      }
    } else if (strcmp(field->name, name) == 0) {
      return field;
    }
  }
  return NULL;
}

const ApiField *api_message_field_by_number(const ApiMessage *message, uint32_t number)
{
  unsigned low = 0, high = message->by_number ? message->n_fields : 0;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    const ApiField *field = &message->fields[message->by_number[middle]];
    if (field->number == number) {
      return field;
    }
    if (field->number < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

const char *api_verb_name(ApiVerb verb)
{
  switch (verb) {
  case API_VERB_GET:
    return "get";
  case API_VERB_LIST:
    return "list";
  case API_VERB_WATCH:
    return "watch";
  case API_VERB_CREATE:
    return "create";
  case API_VERB_UPDATE:
    return "update";
  case API_VERB_PATCH:
    return "patch";
  case API_VERB_DELETE:
    return "delete";
  case API_VERB_DELETECOLLECTION:
    return "deletecollection";
  }
  return "";
}

const ApiSubresource *api_kind_subresource(const ApiKind *kind, const char *name)
{
  for (unsigned i = 0; i < kind->n_subresources; i++) {
    if (strcmp(kind->subresources[i].name, name) == 0) {
      return &kind->subresources[i];
    }
  }
  return NULL;
}

char *api_group_version(const ApiKind *kind)
{
  return *kind->group ? g_strconcat(kind->group, "/", kind->version, NULL) : g_strdup(kind->version);
}

char *api_qualified_resource(const ApiKind *kind)
{
  return *kind->group ? g_strconcat(kind->plural, ".", kind->group, NULL) : g_strdup(kind->plural);
}
