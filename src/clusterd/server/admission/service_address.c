/* Cluster IPs and node ports of services: given out, checked against what others have, free again when a service goes.
 * What is taken is learned from the services themselves, so nothing has to be repaired after a crash. */
#include <string.h>

#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/admission/number_claim.h"
#include "clusterd/server/admission/service_families.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define NODE_PORT_MIN 30000
#define NODE_PORT_MAX 32767
#define DEFAULT_RANGE "10.96.0.0/12"
/* Addresses at the front of the range are only given to those who name them (KEP-3070), at most so many. */
#define STATIC_BAND_MAX 256

/* The addresses of one family. A range has 2^24 of them at most: the last 32 bits of an address are its number. */
typedef struct AddressSpace {
  IpRange range;
  uint32_t size;         /* of range; 0: services have no addresses of the family */
  GHashTable *addresses; /* number → owner "namespace/name" */
} AddressSpace;

typedef struct Allocator {
  Registry *registry;
  GMutex lock; /* guards all below */
  ServiceFamilies families;
  AddressSpace spaces[IP_FAMILIES];
  GHashTable *ports;    /* number → owner */
  GHashTable *reserved; /* object under way → GPtrArray of Claim* */
} Allocator;

/* A number taken for a write that has not ended yet. */
typedef struct Claim {
  Registry *registry;
  GHashTable *table;
  uint32_t number;
  char *owner;
  NumberClaim among_servers;
} Claim;

/* One service on its way: what the steps below share. */
typedef struct Allocation {
  Allocator *allocator;
  const AdmissionRequest *request;
  json_t *spec;
  char *owner;
  GPtrArray *claims;
  GPtrArray *refused; /* Claim*: another server was first */
  GError *problem;    /* the other servers could not be asked */
} Allocation;

/* --- what is taken -------------------------------------------------------------------------------------------------
 */

static void claim_free(void *data)
{
  Claim *claim = data;
  number_claim_release(claim->registry, &claim->among_servers);
  g_free(claim->owner);
  g_free(claim);
}

/* Calls VISIT with every number a service holds. */
typedef void (*NumberVisit)(GHashTable *table, uint32_t number, const char *owner);

static void visit_numbers(Allocator *allocator, const Object *service, NumberVisit visit)
{
  g_autofree char *owner = registry_suffix(object_namespace(service), object_name(service));
  const json_t *spec = json_object_get(object_json(service), "spec");
  IpAddress address;
  size_t i;
  json_t *port, *item;
  json_array_foreach (json_object_get(spec, "clusterIPs"), i, item)
    if (ip_address_parse(json_string_value(item), &address))
      visit(allocator->spaces[address.family].addresses, (uint32_t)address.number, owner);
  if (ip_address_parse(json_str(spec, "clusterIP", NULL), &address))
    visit(allocator->spaces[address.family].addresses, (uint32_t)address.number, owner);
  json_array_foreach (json_object_get(spec, "ports"), i, port)
    if (json_int(port, "nodePort", 0))
      visit(allocator->ports, (uint32_t)json_int(port, "nodePort", 0), owner);
  if (json_int(spec, "healthCheckNodePort", 0))
    visit(allocator->ports, (uint32_t)json_int(spec, "healthCheckNodePort", 0), owner);
}

static void take(GHashTable *table, uint32_t number, const char *owner)
{
  g_hash_table_insert(table, GUINT_TO_POINTER(number), g_strdup(owner));
}

static void give_back(GHashTable *table, uint32_t number, const char *owner)
{
  if (g_strcmp0(g_hash_table_lookup(table, GUINT_TO_POINTER(number)), owner) == 0)
    g_hash_table_remove(table, GUINT_TO_POINTER(number));
}

static void observe(Object *old, Object *object, void *data)
{
  Allocator *allocator = data;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&allocator->lock);
  if (old)
    visit_numbers(allocator, old, give_back);
  if (object)
    visit_numbers(allocator, object, take);
}

/* --- taking --------------------------------------------------------------------------------------------------------
 */

/* Claims what is marked as taken for MADE against the other servers. Their services are seen without the lock: false
 * when one has the number. */
static bool claim_among_servers(Allocation *allocation, Claim *made)
{
  Allocator *allocator = allocation->allocator;
  const char *range = made->table == allocator->ports ? "servicenodeports" : "serviceips";
  if (made->table == allocator->spaces[IP_V6].addresses)
    range = "serviceips6";
  g_mutex_unlock(&allocator->lock);
  bool ok = number_claim_take(allocator->registry, range, made->number, made->owner, &made->among_servers,
                              &allocation->problem);
  g_mutex_lock(&allocator->lock);
  return ok && g_strcmp0(g_hash_table_lookup(made->table, GUINT_TO_POINTER(made->number)), made->owner) == 0;
}

/* True when NUMBER is the service's own or free; then it is claimed. Called with the lock held, which is let go while
 * other servers are asked. */
static bool claim(Allocation *allocation, GHashTable *table, uint32_t number)
{
  Allocator *allocator = allocation->allocator;
  const char *holder = g_hash_table_lookup(table, GUINT_TO_POINTER(number));
  if (holder)
    return g_str_equal(holder, allocation->owner);
  take(table, number, allocation->owner);
  Claim *made = g_new0(Claim, 1);
  *made = (Claim){ .registry = allocator->registry, .table = table, .number = number };
  made->owner = g_strdup(allocation->owner);
  g_ptr_array_add(allocation->claims, made);
  if (claim_among_servers(allocation, made))
    return true;
  give_back(table, number, allocation->owner);
  g_ptr_array_add(allocation->refused, g_ptr_array_steal_index(allocation->claims, allocation->claims->len - 1));
  return false;
}

/* A free number from COUNT on from FIRST, starting at a random one. False when there is none. */
static bool claim_any(Allocation *allocation, GHashTable *table, uint32_t first, uint32_t count, uint32_t *number)
{
  uint32_t offset = count ? g_random_int() % count : 0;
  for (uint32_t i = 0; i < count && !allocation->problem; i++) {
    *number = first + (offset + i) % count;
    if (!g_hash_table_contains(table, GUINT_TO_POINTER(*number)) && claim(allocation, table, *number))
      return true;
  }
  return false;
}

static bool invalid(const Allocation *allocation, const char *field, const char *detail, GError **error)
{
  const char *name = json_str(json_object_get(allocation->request->object, "metadata"), "name", "");
  return api_error_invalid(error, "Service", "", name, "FieldValueInvalid", field, "%s", detail);
}

static bool claim_named_address(Allocation *allocation, const char *text, GError **error)
{
  const Allocator *allocator = allocation->allocator;
  IpAddress address;
  g_autofree char *detail = NULL;
  if (!ip_address_parse(text, &address))
    return true; /* validation says it better */
  const AddressSpace *space = &allocator->spaces[address.family];
  g_autofree char *range = ip_range_text(&space->range);
  if (space->size == 0 || address.number <= space->range.first || address.number >= space->range.last)
    detail =
        g_strdup_printf("[]string{\"%s\"}: failed to allocate IP %s: the provided IP (%s) is not in the valid range. "
                        "The range of valid IPs is %s",
                        text, text, text, range);
  else if (!claim(allocation, space->addresses, (uint32_t)address.number))
    detail =
        g_strdup_printf("[]string{\"%s\"}: failed to allocate IP %s: provided IP is already allocated", text, text);
  return !detail || invalid(allocation, "spec.clusterIPs", detail, error);
}

/* Appends a free address of FAMILY to clusterIPs. */
static bool claim_new_address(Allocation *allocation, IpFamily family, GError **error)
{
  const AddressSpace *space = &allocation->allocator->spaces[family];
  uint32_t band = MIN(MAX(16u, space->size / 16), (uint32_t)STATIC_BAND_MAX), number;
  uint32_t first = (uint32_t)space->range.first;
  if (band > space->size - 2)
    band = 1;
  if (!claim_any(allocation, space->addresses, first + band, space->size - 1 - band, &number) &&
      !claim_any(allocation, space->addresses, first + 1, band - 1, &number))
    return reason_set(error, REASON_INTERNAL, "failed to allocate a serviceIP: range is full");
  const IpAddress address = { family, space->range.first + (number - first) };
  char text[IP_TEXT_MAX];
  json_append_to(allocation->spec, "clusterIPs", json_string(ip_address_write(&address, text)));
  return true;
}

/* One address for each family; those that are given are claimed, the others given out. */
static bool claim_addresses(Allocation *allocation, GError **error)
{
  json_t *spec = allocation->spec;
  IpFamily family;
  for (size_t i = 0; service_family_at(spec, i, &family); i++) {
    const char *given = json_string_value(json_array_get(json_object_get(spec, "clusterIPs"), i));
    if (given ? !claim_named_address(allocation, given, error) : !claim_new_address(allocation, family, error))
      return false;
  }
  json_object_set(spec, "clusterIP", json_array_get(json_object_get(spec, "clusterIPs"), 0));
  return true;
}

static bool allocate_address(Allocation *allocation, GError **error)
{
  json_t *spec = allocation->spec;
  const json_t *old = json_object_get(allocation->request->old, "spec");
  const char *address = json_str(spec, "clusterIP", ""), *before = json_str(old, "clusterIP", "");
  const char *name = json_str(json_object_get(allocation->request->object, "metadata"), "name", "");
  g_autoptr(FieldErrors) errors = field_errors_new();
  if (g_str_equal(json_str(spec, "type", "ClusterIP"), "ExternalName"))
    return true;
  /* one that changes is refused by validation: nothing is given out for it */
  if (*before && *address && !g_str_equal(before, address))
    return true;
  if (*address && json_array_size(json_object_get(spec, "clusterIPs")) == 0)
    json_object_set_new(spec, "clusterIPs", json_pack("[s]", address));
  service_families_complete(spec, old, &allocation->allocator->families, errors);
  if (!field_errors_finish(errors, "Service", "", name, error))
    return false;
  return g_str_equal(address, "None") || claim_addresses(allocation, error);
}

static bool claim_named_port(Allocation *allocation, const char *field, int64_t number, GError **error)
{
  g_autofree char *detail = NULL;
  if (number < NODE_PORT_MIN || number > NODE_PORT_MAX)
    detail =
        g_strdup_printf("%" G_GINT64_FORMAT ": provided port is not in the valid range. The range of valid ports is "
                        "%d-%d",
                        number, NODE_PORT_MIN, NODE_PORT_MAX);
  else if (!claim(allocation, allocation->allocator->ports, (uint32_t)number))
    detail = g_strdup_printf("%" G_GINT64_FORMAT ": provided port is already allocated", number);
  return !detail || invalid(allocation, field, detail, error);
}

/* Gives MEMBER of VALUE a node port, or checks the one it names. */
static bool allocate_port(Allocation *allocation, json_t *value, const char *member, const char *field, GError **error)
{
  int64_t given = json_int(value, member, 0);
  uint32_t number;
  if (given)
    return claim_named_port(allocation, field, given, error);
  if (!claim_any(allocation, allocation->allocator->ports, NODE_PORT_MIN, NODE_PORT_MAX - NODE_PORT_MIN + 1, &number))
    return reason_set(error, REASON_INTERNAL, "failed to allocate a nodePort: range is full");
  json_object_set_new(value, member, json_integer(number));
  return true;
}

/* One port number for several protocols gets one node port. */
static int64_t port_of_twin(const json_t *ports, size_t index)
{
  int64_t port = json_int(json_array_get(ports, index), "port", 0);
  for (size_t i = 0; i < index; i++)
    if (json_int(json_array_get(ports, i), "port", 0) == port)
      return json_int(json_array_get(ports, i), "nodePort", 0);
  return 0;
}

static bool allocate_ports(Allocation *allocation, GError **error)
{
  json_t *spec = allocation->spec;
  const char *type = json_str(spec, "type", "ClusterIP");
  bool balanced = g_str_equal(type, "LoadBalancer");
  bool wanted = g_str_equal(type, "NodePort") || (balanced && json_flag(spec, "allocateLoadBalancerNodePorts", true));
  json_t *ports = json_object_get(spec, "ports");
  for (size_t i = 0; i < json_array_size(ports); i++) {
    json_t *port = json_array_get(ports, i);
    g_autofree char *field = g_strdup_printf("spec.ports[%zu].nodePort", i);
    int64_t twin = port_of_twin(ports, i);
    if (!wanted && !(balanced && json_int(port, "nodePort", 0)))
      continue;
    if (twin && !json_int(port, "nodePort", 0))
      json_object_set_new(port, "nodePort", json_integer(twin));
    if (!allocate_port(allocation, port, "nodePort", field, error))
      return false;
  }
  if (balanced && g_str_equal(json_str(spec, "externalTrafficPolicy", ""), "Local"))
    return allocate_port(allocation, spec, "healthCheckNodePort", "spec.healthCheckNodePort", error);
  return true;
}

static bool allocate(void *state, AdmissionRequest *request, GError **error)
{
  Allocator *allocator = state;
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "services"))
    return true;
  Allocation allocation = { .allocator = allocator,
                            .request = request,
                            .spec = json_ensure_object(request->object, "spec", NULL),
                            .claims = g_ptr_array_new_with_free_func(claim_free),
                            .refused = g_ptr_array_new_with_free_func(claim_free) };
  allocation.owner =
      registry_suffix(request->target->namespace_, json_str(json_object_get(request->object, "metadata"), "name", ""));
  g_mutex_lock(&allocator->lock);
  g_hash_table_insert(allocator->reserved, request->object, allocation.claims);
  bool ok = allocate_address(&allocation, error) && allocate_ports(&allocation, error);
  g_mutex_unlock(&allocator->lock);
  if (allocation.problem) { /* not that there is no number, but that nobody knows */
    if (!ok)
      g_clear_error(error);
    ok = false;
    g_propagate_error(error, allocation.problem);
  }
  g_ptr_array_unref(allocation.refused);
  g_free(allocation.owner);
  return ok;
}

/* A write that succeeded is in the store's services by now, and its numbers are taken by `observe`; what it does not
 * hold goes back. */
static void finish(void *state, const AdmissionRequest *request)
{
  Allocator *allocator = state;
  if (request->operation == ADMISSION_DELETE || !admission_is_about(request, "", "services"))
    return;
  const char *name = json_str(json_object_get(request->object, "metadata"), "name", "");
  g_autoptr(Object) stored = registry_lookup(allocator->registry, request->kind, request->target->namespace_, name);
  g_autoptr(GPtrArray) claims = NULL; /* freed after the lock is let go: that writes to the store */
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&allocator->lock);
  if (!g_hash_table_steal_extended(allocator->reserved, request->object, NULL, (void **)&claims))
    return;
  for (guint i = 0; i < claims->len; i++) {
    const Claim *claim_made = claims->pdata[i];
    give_back(claim_made->table, claim_made->number, claim_made->owner);
  }
  if (stored)
    visit_numbers(allocator, stored, take);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static bool set_ranges(Allocator *allocator, const char *list)
{
  IpRange ranges[IP_FAMILIES];
  static const unsigned widest[IP_FAMILIES] = { 8, 108 }, narrowest[IP_FAMILIES] = { 29, 125 };
  unsigned n_ranges = ip_ranges_parse(list, ranges);
  for (unsigned i = 0; i < n_ranges; i++)
    if (ranges[i].bits < widest[ranges[i].family] || ranges[i].bits > narrowest[ranges[i].family])
      return false;
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    allocator->spaces[family].size = 0;
  for (unsigned i = 0; i < n_ranges; i++) {
    AddressSpace *space = &allocator->spaces[ranges[i].family];
    space->range = ranges[i];
    space->size = 1u << (ip_family_bits(ranges[i].family) - ranges[i].bits);
    allocator->families.of[i] = ranges[i].family;
  }
  allocator->families.count = n_ranges;
  return n_ranges > 0;
}

static void *create(Registry *registry)
{
  Allocator *allocator = g_new0(Allocator, 1);
  g_mutex_init(&allocator->lock);
  allocator->registry = registry;
  set_ranges(allocator, DEFAULT_RANGE);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    allocator->spaces[family].addresses = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  allocator->ports = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  allocator->reserved = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
  registry_observe(registry, "", "services", observe, allocator);
  return allocator;
}

static void destroy(void *state)
{
  Allocator *allocator = state;
  registry_unobserve(allocator->registry, allocator);
  for (IpFamily family = 0; family < IP_FAMILIES; family++)
    g_hash_table_unref(allocator->spaces[family].addresses);
  g_hash_table_unref(allocator->ports);
  g_hash_table_unref(allocator->reserved);
  g_mutex_clear(&allocator->lock);
  g_free(allocator);
}

static bool load_service(Object *service, void *data)
{
  visit_numbers(data, service, take);
  return false;
}

static void load(void *state)
{
  Allocator *allocator = state;
  const ApiKind *kind = api_scheme_resource(registry_scheme(allocator->registry), "", "v1", "services");
  registry_visit(allocator->registry, kind, NULL, load_service, allocator);
}

bool admission_set_service_range(void *state, const char *range, GError **error)
{
  Allocator *allocator = state;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&allocator->lock);
  return set_ranges(allocator, range) ||
         reason_set(error, REASON_CONFIG,
                    "%s is not usable for services: one range of a family, IPv4 from /8 to /29 or IPv6 from /108 to "
                    "/125, or one of each",
                    range);
}

const AdmissionPlugin admission_service_address = {
  .name = "ServiceAddress", .create = create, .destroy = destroy, .load = load, .allocate = allocate, .finish = finish
};
