/* Lists: from memory whenever what is asked for is what is there now, else from the store's history. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/custom_version.h"
#include "clusterd/server/registry/continue_token.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/registry/stored_object.h"

void object_list_free(ObjectList *list)
{
  if (!list)
    return;
  if (list->objects)
    g_ptr_array_unref(list->objects);
  g_free(list->continue_token);
  g_free(list);
}

/* A list request, worked out. */
typedef struct Listing {
  Registry *registry;
  Resource *resource;
  const ApiKind *kind;
  const ListOptions *options;
  char *prefix;     /* of the keys, below the resource: "default/" or "" */
  char *start;      /* list what comes behind this key (relative to PREFIX); NULL: all */
  int64_t revision; /* exact snapshot; 0: the newest */
  int64_t at;       /* revision of the snapshot listed */
  int64_t left;     /* how many were not looked at any more */
  bool selective;
  bool by_view;   /* custom resources are selected as they are shown: not with the state locked */
  char *last_key; /* of the last object taken, when something is left */
  GPtrArray *objects;
  GPtrArray *candidates; /* with BY_VIEW: what was found, for the selectors to look at */
} Listing;

static void listing_clear(Listing *listing)
{
  g_free(listing->prefix);
  g_free(listing->start);
  g_free(listing->last_key);
  if (listing->objects)
    g_ptr_array_unref(listing->objects);
  if (listing->candidates)
    g_ptr_array_unref(listing->candidates);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Listing, listing_clear)

static bool parse_version(const char *text, int64_t *revision, GError **error)
{
  guint64 number = 0;
  if (!text || !*text)
    return true;
  if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &number, NULL))
    return reason_set(error, REASON_UNKNOWN,
                      "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", text,
                      text);
  *revision = (int64_t)number;
  return true;
}

bool registry_wait_not_older(Registry *registry, const char *version, GError **error)
{
  int64_t wanted = 0;
  return parse_version(version, &wanted, error) &&
         (wanted <= registry_revision(registry) || registry_wait_for(registry, wanted, error));
}

/* Which snapshot the options ask for. Source: the table "resourceVersion parameter" of the API concepts documentation.
 */
static bool resolve(Listing *listing, GError **error)
{
  const ListOptions *options = listing->options;
  int64_t wanted = 0;
  if (!parse_version(options->resource_version, &wanted, error))
    return false;
  if (options->continue_token && *options->continue_token) {
    if (wanted != 0)
      return reason_set(error, REASON_BAD_REQUEST, "specifying resource version is not allowed when using continue");
    if (!continue_token_parse(options->continue_token, &listing->revision, &listing->start, error))
      return false;
    if (listing->revision < 0) { /* go on with what is newest */
      listing->revision = 0;
      return registry_catch_up(listing->registry, error);
    }
    /* a page of another server's list may be of a revision that has not come here yet */
    return listing->revision <= registry_revision(listing->registry) ||
           registry_wait_for(listing->registry, listing->revision, error);
  }
  if (wanted == 0 && !*(options->resource_version ? options->resource_version : "") &&
      !registry_catch_up(listing->registry, error))
    return false;
  if (wanted > registry_revision(listing->registry) && !registry_wait_for(listing->registry, wanted, error))
    return false;
  if (options->match == VERSION_MATCH_EXACT || (options->match == VERSION_MATCH_UNSET && options->limit && wanted > 0))
    listing->revision = wanted;
  return true;
}

static bool full(const Listing *listing)
{
  return listing->options->limit && listing->objects->len >= listing->options->limit;
}

/* --- from memory ---------------------------------------------------------------------------------------------------
 */

/* Called with the state locked. False when the snapshot asked for is not the one in memory. */
static bool is_current(const Listing *listing)
{
  return listing->revision == 0 || listing->revision >= listing->resource->newest;
}

static void take_from_memory(Listing *listing)
{
  const Resource *resource = listing->resource;
  g_autofree char *from = g_strconcat(listing->prefix, listing->start, NULL);
  GTreeNode *node =
      listing->start ? g_tree_upper_bound(resource->objects, from) : g_tree_lower_bound(resource->objects, from);
  for (; node && g_str_has_prefix(g_tree_node_key(node), listing->prefix); node = g_tree_node_next(node)) {
    if (full(listing)) {
      listing->left++;
      if (listing->selective)
        break; /* the number left is not told: one is enough to know that there is more */
      continue;
    }
    Object *object = g_tree_node_value(node);
    if (listing->by_view) {
      g_ptr_array_add(listing->candidates, object_ref(object));
      continue;
    }
    if (!object_selected(object, listing->options->labels, listing->options->fields))
      continue;
    g_ptr_array_add(listing->objects, object_ref(object));
    if (full(listing))
      listing->last_key = g_strdup((const char *)g_tree_node_key(node) + strlen(listing->prefix));
  }
}

static char *key_of(const Listing *listing, Object *object)
{
  bool below = *listing->prefix || !listing->kind->namespaced;
  return below ? g_strdup(object_name(object)) : registry_suffix(object_namespace(object), object_name(object));
}

/* Takes those of the candidates that are selected as the client sees them. */
static bool take_candidates(Listing *listing, GError **error)
{
  for (guint i = 0; i < listing->candidates->len; i++) {
    if (full(listing)) {
      listing->left++;
      return true;
    }
    g_autoptr(Object) shown = registry_view(listing->kind, listing->candidates->pdata[i], error);
    if (!shown)
      return false;
    if (!object_selected(shown, listing->options->labels, listing->options->fields))
      continue;
    if (listing->options->limit && listing->objects->len + 1 == listing->options->limit)
      listing->last_key = key_of(listing, shown);
    g_ptr_array_add(listing->objects, g_steal_pointer(&shown));
  }
  return true;
}

/* False when the store must be asked. */
static bool list_from_memory(Listing *listing)
{
  g_rw_lock_reader_lock(&listing->registry->state);
  bool current = is_current(listing);
  if (current) {
    take_from_memory(listing);
    listing->at =
        listing->revision ? listing->revision : MAX(listing->resource->newest, registry_revision(listing->registry));
  }
  g_rw_lock_reader_unlock(&listing->registry->state);
  return current;
}

/* --- from the store ------------------------------------------------------------------------------------------------
 */

enum { STORE_PAGE = 500 };

static bool take_page(Listing *listing, GPtrArray *entries, gsize skip, GError **error)
{
  for (guint i = 0; i < entries->len; i++) {
    const StoreEntry *entry = entries->pdata[i];
    if (full(listing)) {
      listing->left += entries->len - i;
      return true;
    }
    g_autoptr(Object) loaded = stored_object_load(listing->registry->scheme, listing->resource->kind, entry->value,
                                                  entry->mod_revision, error);
    g_autoptr(Object) object =
        loaded && listing->by_view ? registry_view(listing->kind, loaded, error) : g_steal_pointer(&loaded);
    if (!object)
      return false;
    if (!object_selected(object, listing->options->labels, listing->options->fields))
      continue;
    g_ptr_array_add(listing->objects, g_steal_pointer(&object));
    if (full(listing))
      listing->last_key = g_strdup(entry->key + skip);
  }
  return true;
}

/* 410 with a token that goes on at the newest revision, for clients that can live with an inconsistent list. */
static void explain_expired(const Listing *listing, GError **error)
{
  if (!error || !reason_is(*error, REASON_EXPIRED))
    return;
  if (!listing->start) {
    g_clear_error(error);
    reason_set(error, REASON_EXPIRED, "The resourceVersion for the provided list is too old.");
    return;
  }
  g_autofree char *token = continue_token_new(-1, listing->start);
  g_clear_error(error);
  reason_set_details(error, REASON_EXPIRED, json_pack("{s:s}", API_ERROR_CONTINUE, token),
                     "The provided continue parameter is too old to display a consistent list result. You can start a "
                     "new list without the continue parameter, or use the continue token in this response to retrieve "
                     "the remainder of the results. Continuing with the provided token results in an inconsistent list "
                     "- objects that were created, modified, or deleted between the time the first chunk was returned "
                     "and now may show up in the list.");
}

static bool list_from_store(Listing *listing, GError **error)
{
  Store *store = listing->registry->store;
  g_autofree char *prefix = g_strconcat(listing->resource->prefix, listing->prefix, NULL);
  g_autofree char *start = listing->start ? g_strconcat(prefix, listing->start, NULL) : NULL;
  int64_t remaining = 0;
  do {
    g_autoptr(GPtrArray) entries =
        store_list(store, prefix, listing->revision, start, STORE_PAGE, &listing->at, &remaining, error);
    if (!entries || !take_page(listing, entries, strlen(prefix), error)) {
      explain_expired(listing, error);
      return false;
    }
    if (entries->len == 0)
      break;
    g_free(start);
    start = g_strdup(((StoreEntry *)entries->pdata[entries->len - 1])->key);
  } while (remaining > 0 && !full(listing));
  listing->left += remaining;
  return true;
}

/* --- the call ------------------------------------------------------------------------------------------------------
 */

static ObjectList *finish(Listing *listing, GError **error)
{
  g_autoptr(ObjectList) list = g_new0(ObjectList, 1);
  list->revision = listing->at;
  list->objects = g_ptr_array_new_full(listing->objects->len, (GDestroyNotify)object_unref);
  for (guint i = 0; i < listing->objects->len; i++) {
    Object *shown = registry_view(listing->kind, listing->objects->pdata[i], error);
    if (!shown)
      return NULL;
    g_ptr_array_add(list->objects, shown);
  }
  list->remaining = -1;
  if (listing->left > 0 && listing->last_key) {
    list->continue_token = continue_token_new(listing->at, listing->last_key);
    if (!listing->selective)
      list->remaining = listing->left;
  }
  return g_steal_pointer(&list);
}

/* `metadata.name=x` is a lookup, not a walk. */
static bool list_single(Listing *listing, const char *name)
{
  g_autofree char *key = g_strconcat(listing->prefix, name, NULL);
  g_rw_lock_reader_lock(&listing->registry->state);
  bool current = is_current(listing);
  Object *object = current ? g_tree_lookup(listing->resource->objects, key) : NULL;
  if (object && listing->by_view)
    g_ptr_array_add(listing->candidates, object_ref(object));
  else if (object && object_selected(object, listing->options->labels, listing->options->fields))
    g_ptr_array_add(listing->objects, object_ref(object));
  listing->at =
      listing->revision ? listing->revision : MAX(listing->resource->newest, registry_revision(listing->registry));
  g_rw_lock_reader_unlock(&listing->registry->state);
  return current;
}

ObjectList *registry_list(Registry *registry, const Caller *caller, const Target *target, const ListOptions *options,
                          GError **error)
{
  static const ListOptions everything = { 0 };
  g_auto(Listing) listing = { .registry = registry, .kind = target->kind, .options = options ? options : &everything };
  listing.resource = registry_resource(registry, target->kind, error);
  if (!listing.resource || !resolve(&listing, error))
    return NULL;
  bool in_namespace = target->kind->namespaced && target->namespace_ && *target->namespace_;
  listing.prefix = in_namespace ? g_strconcat(target->namespace_, "/", NULL) : g_strdup("");
  listing.selective = (listing.options->labels && !label_selector_is_everything(listing.options->labels)) ||
                      (listing.options->fields && !field_selector_is_everything(listing.options->fields));
  listing.objects = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  const char *name = listing.options->fields ? field_selector_single_name(listing.options->fields) : NULL;
  bool direct = name && (in_namespace || !target->kind->namespaced) && !listing.start;
  listing.by_view = listing.selective && target->kind->custom;
  listing.candidates = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  if (!(direct && list_single(&listing, name)) && !list_from_memory(&listing) && !list_from_store(&listing, error))
    return NULL;
  if (!take_candidates(&listing, error))
    return NULL;
  return finish(&listing, error);
}

unsigned registry_count(Registry *registry, const ApiKind *kind)
{
  Resource *resource = registry_resource(registry, kind, NULL);
  if (!resource)
    return 0;
  g_rw_lock_reader_lock(&registry->state);
  unsigned count = (unsigned)g_tree_nnodes(resource->objects);
  g_rw_lock_reader_unlock(&registry->state);
  return count;
}
