#include "profile/profile.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/runtime_name.h"

typedef enum MemberType { MEMBER_STRING, MEMBER_INTEGER, MEMBER_STRINGS, MEMBER_OBJECT } MemberType;

/* One member of config.json. PARENT is the object it lies in, NULL for the top. */
typedef struct Member {
  const char *parent, *name;
  MemberType type;
  size_t offset;
  const char *text; /* default of a string */
  int64_t number;   /* default of an integer */
  int64_t minimum, maximum;
  const char *const *choices; /* of a string; NULL: any */
} Member;

#define AT(member) G_STRUCT_OFFSET(Profile, member)

static const Member members[] = {
  { NULL, "Name", MEMBER_STRING, AT(name), "", 0, 0, 0, NULL },
  { NULL, "UUID", MEMBER_STRING, AT(uuid), "", 0, 0, 0, NULL },
  { NULL, "Driver", MEMBER_STRING, AT(driver), "", 0, 0, 0, NULL },
  { NULL, "CPUs", MEMBER_INTEGER, AT(cpus), NULL, 2, 1, 1024, NULL },
  { NULL, "Memory", MEMBER_INTEGER, AT(memory_mib), NULL, 4096, 1, 1 << 26, NULL },
  { NULL, "DiskSize", MEMBER_INTEGER, AT(disk_mib), NULL, 20000, 1, 1 << 30, NULL },
  { NULL, "MinikubeISO", MEMBER_STRING, AT(image_url), "", 0, 0, 0, NULL },
  { NULL, "ImageDigest", MEMBER_STRING, AT(image_digest), "", 0, 0, 0, NULL },
  { NULL, "Address", MEMBER_STRING, AT(address), "", 0, 0, 0, NULL },
  { NULL, "APIServerPort", MEMBER_INTEGER, AT(apiserver_port), NULL, 8443, 1, 65535, NULL },
  { NULL, "CertExpirationSeconds", MEMBER_INTEGER, AT(cert_expiration_seconds), NULL, (int64_t)26280 * 3600, 60,
    INT64_C(100) * 366 * 86400, NULL },
  { NULL, "Addons", MEMBER_OBJECT, AT(addons), NULL, 0, 0, 0, NULL },
  { "KubernetesConfig", "KubernetesVersion", MEMBER_STRING, AT(kubernetes_version), "v1.32.0", 0, 0, 0, NULL },
  { "KubernetesConfig", "Namespace", MEMBER_STRING, AT(namespace_), "default", 0, 0, 0, NULL },
  { "KubernetesConfig", "ContainerRuntime", MEMBER_STRING, AT(container_runtime), "native", 0, 0, 0, runtime_names },
  { "KubernetesConfig", "DNSDomain", MEMBER_STRING, AT(dns_domain), "cluster.local", 0, 0, 0, NULL },
  { "KubernetesConfig", "ServiceCIDR", MEMBER_STRING, AT(service_cidr), "10.96.0.0/12", 0, 0, 0, NULL },
  { "KubernetesConfig", "APIServerName", MEMBER_STRING, AT(apiserver_name), "launcherCA", 0, 0, 0, NULL },
  { "KubernetesConfig", "APIServerNames", MEMBER_STRINGS, AT(apiserver_names), NULL, 0, 0, 0, NULL },
  { "KubernetesConfig", "APIServerIPs", MEMBER_STRINGS, AT(apiserver_ips), NULL, 0, 0, 0, NULL },
};

static char **string_of(const Profile *profile, const Member *member)
{
  return (char **)((uintptr_t)profile + member->offset);
}

static json_t **json_of(const Profile *profile, const Member *member)
{
  return (json_t **)((uintptr_t)profile + member->offset);
}

static int64_t *integer_of(const Profile *profile, const Member *member)
{
  return (int64_t *)((uintptr_t)profile + member->offset);
}

static void set_default(Profile *profile, const Member *member)
{
  switch (member->type) {
  case MEMBER_STRING:
    *string_of(profile, member) = g_strdup(member->text);
    return;
  case MEMBER_INTEGER:
    *integer_of(profile, member) = member->number;
    return;
  case MEMBER_STRINGS:
    *json_of(profile, member) = json_array();
    return;
  case MEMBER_OBJECT:
    *json_of(profile, member) = json_object();
    return;
  }
}

static Profile *profile_blank(void)
{
  Profile *profile = g_new0(Profile, 1);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    set_default(profile, &members[i]);
  profile->rest = json_object();
  return profile;
}

Profile *profile_new(const char *name)
{
  Profile *profile = profile_blank();
  g_free(profile->name);
  g_free(profile->uuid);
  profile->name = g_strdup(name);
  profile->uuid = g_uuid_string_random();
  return profile;
}

void profile_free(Profile *profile)
{
  if (!profile)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    if (members[i].type == MEMBER_STRING)
      g_free(*string_of(profile, &members[i]));
    else if (members[i].type != MEMBER_INTEGER)
      json_decref(*json_of(profile, &members[i]));
  json_decref(profile->rest);
  g_free(profile);
}

bool profile_check_name(const char *name, GError **error)
{
  size_t length = strlen(name);
  bool good =
      length >= 2 && length <= PROFILE_NAME_MAX && g_ascii_isalnum(name[0]) && g_ascii_isalnum(name[length - 1]);
  for (const char *at = name; good && *at; at++)
    good = g_ascii_isalnum(*at) || *at == '-';
  return good || reason_set(error, REASON_USAGE,
                            "--profile: \"%s\" is not a profile name: use 2 to %d letters, digits and inner dashes",
                            name, PROFILE_NAME_MAX);
}

static bool is_list_of_strings(const json_t *value)
{
  size_t i;
  json_t *item;
  json_array_foreach (value, i, item)
    if (!json_is_string(item))
      return false;
  return json_is_array(value);
}

/* Takes VALUE over into the profile. False when it is of the wrong type or out of bounds. */
static bool take_member(Profile *profile, const Member *member, json_t *value)
{
  switch (member->type) {
  case MEMBER_STRING:
    if (!json_is_string(value) || (member->choices && !g_strv_contains(member->choices, json_string_value(value))))
      return false;
    g_free(*string_of(profile, member));
    *string_of(profile, member) = g_strdup(json_string_value(value));
    return true;
  case MEMBER_INTEGER:
    if (!json_is_integer(value) || json_integer_value(value) < member->minimum ||
        json_integer_value(value) > member->maximum)
      return false;
    *integer_of(profile, member) = json_integer_value(value);
    return true;
  case MEMBER_STRINGS:
  case MEMBER_OBJECT:
    if (member->type == MEMBER_STRINGS ? !is_list_of_strings(value) : !json_is_object(value))
      return false;
    json_decref(*json_of(profile, member));
    *json_of(profile, member) = json_incref(value);
    return true;
  }
  return false;
}

static Profile *parse(json_t *value, const char *path, GError **error)
{
  g_autoptr(Profile) profile = profile_blank();
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    json_t *parent = members[i].parent ? json_object_get(value, members[i].parent) : value;
    json_t *member = json_object_get(parent, members[i].name);
    if (member && !take_member(profile, &members[i], member)) {
      g_autofree char *text = json_text(member);
      reason_set(error, REASON_CONFIG, "%s: %s%s%s: %s is not allowed", path,
                 members[i].parent ? members[i].parent : "", members[i].parent ? "." : "", members[i].name, text);
      return NULL;
    }
  }
  json_decref(profile->rest);
  profile->rest = json_incref(value);
  return g_steal_pointer(&profile);
}

Profile *profile_load(const Home *home, const char *name, GError **error)
{
  if (!profile_check_name(name, error))
    return NULL;
  g_autofree char *path = home_profile_file(home, name, "config.json");
  if (access(path, F_OK) != 0) {
    reason_set(error, REASON_GUEST_NOT_FOUND, "Profile \"%s\" not found. Run \"%s profile list\" to view all profiles.",
               name, home->program);
    return NULL;
  }
  g_autoptr(json_t) value = json_read_file(path, error);
  if (!value)
    return NULL;
  g_autoptr(Profile) profile = parse(value, path, error);
  if (profile && strcmp(profile->name, name) != 0) {
    reason_set(error, REASON_CONFIG, "%s: Name is \"%s\" in the folder of \"%s\"", path, profile->name, name);
    return NULL;
  }
  return g_steal_pointer(&profile);
}

static json_t *member_value(const Profile *profile, const Member *member)
{
  if (member->type == MEMBER_STRING)
    return json_string(*string_of(profile, member));
  if (member->type == MEMBER_INTEGER)
    return json_integer(*integer_of(profile, member));
  return json_incref(*json_of(profile, member));
}

/* minikube's list of nodes, which tools read: one here. */
static json_t *nodes_of(const Profile *profile)
{
  return json_pack("[{s:s, s:s, s:I, s:s, s:s, s:b, s:b}]", "Name", "", "IP", profile->address, "Port",
                   (json_int_t)profile->apiserver_port, "KubernetesVersion", profile->kubernetes_version,
                   "ContainerRuntime", profile->container_runtime, "ControlPlane", 1, "Worker", 1);
}

bool profile_save(const Home *home, const Profile *profile, GError **error)
{
  g_autofree char *directory = home_profile_file(home, profile->name, "");
  g_autofree char *path = g_build_filename(directory, "config.json", NULL);
  g_autoptr(json_t) value = json_deep_copy(profile->rest);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
    json_t *parent = members[i].parent ? json_ensure_object(value, members[i].parent, NULL) : value;
    json_object_set_new(parent, members[i].name, member_value(profile, &members[i]));
  }
  json_object_set_new(json_ensure_object(value, "KubernetesConfig", NULL), "ClusterName", json_string(profile->name));
  json_object_set_new(value, "Nodes", nodes_of(profile));
  g_autofree char *text = json_text_pretty(value);
  return file_make_dirs(directory, 0755, error) && file_write_atomic(path, text, strlen(text), 0600, error);
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

char **profile_names(const Home *home)
{
  g_autofree char *path = home_file(home, "profiles");
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  GPtrArray *names = g_ptr_array_new();
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *config = home_profile_file(home, name, "config.json");
    if (access(config, F_OK) == 0)
      g_ptr_array_add(names, g_strdup(name));
  }
  g_ptr_array_sort(names, compare_names);
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(names, FALSE);
}

int profile_lock(const Home *home, const char *name, int timeout_ms, GError **error)
{
  g_autofree char *directory = home_file(home, "locks");
  g_autofree char *file = g_strconcat(name, ".lock", NULL);
  g_autofree char *path = g_build_filename(directory, file, NULL);
  g_autoptr(GError) inner = NULL;
  if (!file_make_dirs(directory, 0755, error))
    return -1;
  int fd = file_lock(path, timeout_ms, &inner);
  if (fd < 0 && reason_is(inner, REASON_PROFILE_LOCKED))
    reason_set(error, REASON_PROFILE_LOCKED, "another %s command is working on the profile \"%s\"", home->program,
               name);
  else if (fd < 0)
    g_propagate_error(error, g_steal_pointer(&inner));
  return fd;
}

bool profile_remove(const Home *home, const char *name, GError **error)
{
  g_autofree char *directory = home_profile_file(home, name, "");
  return file_remove_tree(directory, error);
}
