#include "clusterd/server/admission/service_families.h"

#include "base/json.h"

#define POLICY "ipFamilyPolicy"
#define FAMILIES "ipFamilies"
#define ADDRESSES "clusterIPs"

static bool is_headless(const json_t *spec)
{
  return g_str_equal(json_str(spec, "clusterIP", ""), "None");
}

/* Headless without a selector: its endpoints are somebody else's, of whatever family. */
static bool has_foreign_endpoints(const json_t *spec)
{
  return is_headless(spec) && json_object_size(json_object_get(spec, "selector")) == 0;
}

static bool has_policy(const json_t *spec, const char *policy)
{
  return g_str_equal(json_str(spec, POLICY, ""), policy);
}

static bool same(const json_t *spec, const json_t *old, const char *member)
{
  return json_same(json_object_get(spec, member), json_object_get(old, member));
}

static bool is_in_cluster(const ServiceFamilies *cluster, IpFamily family)
{
  for (unsigned i = 0; i < cluster->count; i++)
    if (cluster->of[i] == family)
      return true;
  return false;
}

bool service_family_at(const json_t *spec, size_t index, IpFamily *family)
{
  const char *name = json_string_value(json_array_get(json_object_get(spec, FAMILIES), index));
  for (*family = 0; name && *family < IP_FAMILIES; *family += 1)
    if (g_str_equal(name, ip_family_names[*family]))
      return true;
  return false;
}

static void add_family(json_t *spec, IpFamily family)
{
  json_append_to(spec, FAMILIES, json_string(ip_family_names[family]));
}

static void add_other_family(json_t *spec)
{
  IpFamily first;
  if (service_family_at(spec, 0, &first))
    add_family(spec, first == IP_V4 ? IP_V6 : IP_V4);
}

static size_t count(const json_t *spec, const char *member)
{
  return json_array_size(json_object_get(spec, member));
}

/* Nobody becomes or ceases to be of two families without being asked: what there was stays, else it is one. */
static void default_policy(json_t *spec, const json_t *old)
{
  if (json_object_get(spec, POLICY))
    return;
  if (json_object_get(old, POLICY))
    json_object_set(spec, POLICY, json_object_get(old, POLICY));
  else
    json_object_set_new(spec, POLICY, json_string(has_foreign_endpoints(spec) ? "RequireDualStack" : "SingleStack"));
}

static bool is_reduced(const json_t *spec, const json_t *old, const char *member)
{
  return count(old, member) == 2 && count(spec, member) == 1;
}

/* One family after two: that is what the policy says, or an error. */
static void release_second(json_t *spec, const json_t *old, FieldErrors *errors)
{
  static const struct {
    const char *member, *complaint;
  } rows[] = { { ADDRESSES, "must be 'SingleStack' to release the secondary cluster IP" },
               { FAMILIES, "must be 'SingleStack' to release the secondary IP family" } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *member = rows[i].member;
    if (has_policy(spec, "SingleStack") && same(spec, old, member) && count(spec, member) > 1)
      json_object_set_new(spec, member, json_pack("[O]", json_array_get(json_object_get(spec, member), 0)));
    else if (!has_policy(spec, "SingleStack") && is_reduced(spec, old, member))
      field_errors_add(errors, FIELD_INVALID, "spec." POLICY, json_object_get(spec, POLICY), "%s", rows[i].complaint);
  }
}

static void check_single(const json_t *spec, FieldErrors *errors)
{
  static const char *const rows[][2] = { { ADDRESSES, "cluster IPs" }, { FAMILIES, "IP families" } };
  for (gsize i = 0; has_policy(spec, "SingleStack") && i < G_N_ELEMENTS(rows); i++)
    if (count(spec, rows[i][0]) == 2)
      field_errors_add(errors, FIELD_INVALID, "spec." POLICY, json_object_get(spec, POLICY),
                       "must be 'RequireDualStack' or 'PreferDualStack' when multiple %s are specified", rows[i][1]);
}

/* An address that is given tells its family. */
static void infer_families(json_t *spec, const ServiceFamilies *cluster, FieldErrors *errors)
{
  const json_t *addresses = json_object_get(spec, ADDRESSES), *item;
  size_t i;
  json_array_foreach (addresses, i, item) {
    IpAddress address;
    g_autofree char *path = field_path_index("spec." ADDRESSES, i);
    if (!ip_address_parse(json_string_value(item), &address) || i < count(spec, FAMILIES))
      continue;
    if (is_in_cluster(cluster, address.family))
      add_family(spec, address.family);
    else
      field_errors_add(errors, FIELD_INVALID, path, addresses, "%s is not configured on this cluster",
                       ip_family_names[address.family]);
  }
}

static void check_cluster(const json_t *spec, const ServiceFamilies *cluster, FieldErrors *errors)
{
  if (has_policy(spec, "RequireDualStack") && cluster->count < 2)
    field_errors_add(errors, FIELD_INVALID, "spec." POLICY, json_object_get(spec, POLICY),
                     "this cluster is not configured for dual-stack services");
  for (size_t i = 0; i < count(spec, FAMILIES); i++) {
    IpFamily family;
    g_autofree char *path = field_path_index("spec." FAMILIES, i);
    if (service_family_at(spec, i, &family) && !is_in_cluster(cluster, family))
      field_errors_add(errors, FIELD_INVALID, path, json_array_get(json_object_get(spec, FAMILIES), i),
                       "not configured on this cluster");
  }
}

void service_families_complete(json_t *spec, const json_t *old, const ServiceFamilies *cluster, FieldErrors *errors)
{
  unsigned before = field_errors_count(errors);
  if (has_policy(spec, "PreferDualStack") && has_policy(old, "PreferDualStack") && same(spec, old, ADDRESSES) &&
      same(spec, old, FAMILIES))
    return; /* it does not follow a cluster that became, or ceased to be, of two families */
  default_policy(spec, old);
  if (old)
    release_second(spec, old, errors);
  check_single(spec, errors);
  infer_families(spec, cluster, errors);
  if (field_errors_count(errors) > before)
    return;
  bool foreign = has_foreign_endpoints(spec);
  if (!foreign)
    check_cluster(spec, cluster, errors);
  if (field_errors_count(errors) > before)
    return;
  if (count(spec, FAMILIES) == 0)
    add_family(spec, cluster->of[0]);
  if (!has_policy(spec, "SingleStack") && count(spec, FAMILIES) == 1 && (foreign || cluster->count == 2))
    add_other_family(spec);
}
