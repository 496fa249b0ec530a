#include "bootstrap/kubeconfig.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"

#define KUBECONFIG_SIZE_MAX (8u << 20)
#define LOCK_TIMEOUT_MS 10000
#define LOCK_RETRY_MS 20
#define LOCK_STALE_SECONDS 60

char *kubeconfig_path(void)
{
  const char *variable = g_getenv("KUBECONFIG");
  if (variable && *variable) {
    g_auto(GStrv) files = g_strsplit(variable, ":", -1);
    for (char **file = files; *file; file++)
      if (**file)
        return g_strdup(*file);
  }
  return g_build_filename(g_get_home_dir(), ".kube", "config", NULL);
}

char *kubeconfig_server_url(const Profile *profile)
{
  return g_strdup_printf("https://%s:%d", profile->address, (int)profile->apiserver_port);
}

/* A lock is left over when the launcher that made it is gone, or when it carries no owner and is old: kubectl holds its
 * own for milliseconds. */
static bool is_stale(const char *lock_path)
{
  struct stat info;
  g_autoptr(GBytes) bytes = file_read(lock_path, 64, NULL);
  if (!bytes || stat(lock_path, &info) < 0)
    return false;
  if (g_bytes_get_size(bytes) == 0)
    return g_get_real_time() / G_USEC_PER_SEC - info.st_mtime > LOCK_STALE_SECONDS;
  g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  int pid;
  return sscanf(text, "launcher %d", &pid) == 1 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* kubectl's lock: a file CONFIG.lock that must not exist yet, removed to unlock (client-go tools/clientcmd, lockFile).
 * Ours carries its owner from the first moment, as it is linked in place, so that a killed launcher locks nobody out.
 */
static bool take_lock(const char *lock_path, GError **error)
{
  g_autofree char *owner = g_strdup_printf("launcher %d\n", (int)getpid());
  g_autofree char *fresh = g_strdup_printf("%s.%d", lock_path, (int)getpid());
  if (!file_write_atomic(fresh, owner, strlen(owner), 0600, error))
    return false;
  bool locked = false;
  int code = 0;
  for (int waited = 0; !locked && waited <= LOCK_TIMEOUT_MS; waited += LOCK_RETRY_MS) {
    locked = link(fresh, lock_path) == 0;
    code = errno;
    if (locked || code != EEXIST)
      break;
    if (is_stale(lock_path))
      unlink(lock_path);
    else
      g_usleep(LOCK_RETRY_MS * 1000);
  }
  unlink(fresh);
  if (!locked && code == EEXIST)
    return reason_set(error, REASON_FILE, "%s exists: another program is changing the kubeconfig", lock_path);
  return locked || reason_set_errno(error, REASON_FILE, code, "Cannot lock %s", lock_path);
}

/* The parsed file; an absent or empty one is an empty configuration. */
static json_t *read_config(const char *path, GError **error)
{
  if (access(path, F_OK) != 0 && errno == ENOENT)
    return json_object();
  g_autoptr(GBytes) bytes = file_read(path, KUBECONFIG_SIZE_MAX, error);
  if (!bytes)
    return NULL;
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(GError) inner = NULL;
  g_autoptr(json_t) value = yaml_parse(text ? text : "", length, &inner);
  if (json_is_null(value))
    return json_object();
  if (!json_is_object(value)) {
    reason_set(error, REASON_CONFIG, "%s: %s", path, inner ? inner->message : "not a kubeconfig");
    return NULL;
  }
  return g_steal_pointer(&value);
}

static bool write_config(const char *path, json_t *config, GError **error)
{
  if (!json_object_get(config, "apiVersion"))
    json_object_set_new(config, "apiVersion", json_string("v1"));
  if (!json_object_get(config, "kind"))
    json_object_set_new(config, "kind", json_string("Config"));
  if (!json_object_get(config, "preferences"))
    json_object_set_new(config, "preferences", json_object());
  g_autofree char *text = yaml_text(config);
  return file_write_atomic(path, text, strlen(text), 0600, error);
}

/* The named list of the configuration ("clusters"), made where absent or null. Borrowed. */
static json_t *list_of(json_t *config, const char *name)
{
  json_t *list = json_object_get(config, name);
  if (!json_is_array(list)) {
    list = json_array();
    json_object_set_new(config, name, list);
  }
  return list;
}

static bool remove_entry(json_t *list, const char *name)
{
  bool removed = false;
  for (size_t i = json_array_size(list); i-- > 0;)
    if (strcmp(json_str(json_array_get(list, i), "name", ""), name) == 0) {
      json_array_remove(list, i);
      removed = true;
    }
  return removed;
}

/* Sets the member MEMBER of the entry NAME, keeping the entry's place in the list. Takes the reference to VALUE. */
static void put_entry(json_t *config, const char *list_name, const char *name, const char *member, json_t *value)
{
  json_t *list = list_of(config, list_name);
  json_t *entry = json_find(list, "name", name);
  if (!entry) {
    entry = json_pack("{s:s}", "name", name);
    json_array_append_new(list, entry);
  }
  json_object_set_new(entry, member, value);
}

static json_t *extensions(const char *name)
{
  g_autofree char *now = timestamp_now();
  return json_pack("[{s:{s:s, s:s}, s:s}]", "extension", "last-update", now, "provider", "launcher", "name", name);
}

/* Sets NAME to the path of the profile's file, or NAME-data to its content in base64. */
static bool set_file(json_t *object, const char *name, const Home *home, const Profile *profile, const char *file,
                     bool embed, GError **error)
{
  g_autofree char *path = home_profile_file(home, profile->name, file);
  if (!embed) {
    json_object_set_new(object, name, json_string(path));
    return true;
  }
  g_autoptr(GBytes) bytes = file_read(path, 65536, error);
  if (!bytes)
    return false;
  g_autofree char *data = g_base64_encode(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_autofree char *data_name = g_strconcat(name, "-data", NULL);
  json_object_set_new(object, data_name, json_string(data));
  return true;
}

/* What a change under the lock does: false in CHANGED leaves the file alone. */
typedef struct Change {
  const Home *home;
  const Profile *profile;
  const char *name;
  const KubeconfigOptions *options;
} Change;
typedef bool (*Changer)(json_t *config, const Change *change, bool *changed, GError **error);

static bool change_config(const Change *change, Changer changer, GError **error)
{
  g_autofree char *path = kubeconfig_path();
  g_autofree char *directory = g_path_get_dirname(path);
  g_autofree char *lock_path = g_strconcat(path, ".lock", NULL);
  bool changed = false;
  if (!file_make_dirs(directory, 0700, error) || !take_lock(lock_path, error))
    return false;
  g_autoptr(json_t) config = read_config(path, error);
  bool good = config && changer(config, change, &changed, error) && (!changed || write_config(path, config, error));
  unlink(lock_path);
  return good;
}

static bool merge(json_t *config, const Change *change, bool *changed, GError **error)
{
  const Profile *profile = change->profile;
  bool embed = change->options->embed_certs;
  g_autofree char *server = kubeconfig_server_url(profile);
  g_autoptr(json_t) cluster = json_object();
  g_autoptr(json_t) user = json_object();
  if (!set_file(cluster, "certificate-authority", change->home, profile, "pki/ca.crt", embed, error) ||
      !set_file(user, "client-certificate", change->home, profile, "pki/client.crt", embed, error) ||
      !set_file(user, "client-key", change->home, profile, "pki/client.key", embed, error))
    return false;
  json_object_set_new(cluster, "extensions", extensions("cluster_info"));
  json_object_set_new(cluster, "server", json_string(server));
  put_entry(config, "clusters", profile->name, "cluster", g_steal_pointer(&cluster));
  put_entry(config, "users", profile->name, "user", g_steal_pointer(&user));
  put_entry(config, "contexts", profile->name, "context",
            json_pack("{s:s, s:o, s:s, s:s}", "cluster", profile->name, "extensions", extensions("context_info"),
                      "namespace", profile->namespace_, "user", profile->name));
  if (!change->options->keep_context)
    json_object_set_new(config, "current-context", json_string(profile->name));
  *changed = true;
  return true;
}

bool kubeconfig_merge(const Home *home, const Profile *profile, const KubeconfigOptions *options, GError **error)
{
  Change change = { .home = home, .profile = profile, .name = profile->name, .options = options };
  return change_config(&change, merge, error);
}

static bool remove_ours(json_t *config, const Change *change, bool *changed, GError **error)
{
  *changed = remove_entry(json_object_get(config, "clusters"), change->name);
  *changed = remove_entry(json_object_get(config, "users"), change->name) || *changed;
  *changed = remove_entry(json_object_get(config, "contexts"), change->name) || *changed;
  if (strcmp(json_str(config, "current-context", ""), change->name) == 0) {
    json_object_set_new(config, "current-context", json_string(""));
    *changed = true;
  }
  return true;
}

bool kubeconfig_remove(const char *profile, GError **error)
{
  g_autofree char *path = kubeconfig_path();
  Change change = { .name = profile };
  return access(path, F_OK) != 0 || change_config(&change, remove_ours, error);
}

static bool use(json_t *config, const Change *change, bool *changed, GError **error)
{
  if (!json_find(json_object_get(config, "contexts"), "name", change->name))
    return reason_set(error, REASON_CONFIG, "the kubeconfig has no context \"%s\"", change->name);
  *changed = strcmp(json_str(config, "current-context", ""), change->name) != 0;
  json_object_set_new(config, "current-context", json_string(change->name));
  return true;
}

bool kubeconfig_use(const char *profile, GError **error)
{
  Change change = { .name = profile };
  return change_config(&change, use, error);
}

bool kubeconfig_is_configured(const Profile *profile)
{
  g_autofree char *path = kubeconfig_path();
  g_autofree char *server = kubeconfig_server_url(profile);
  g_autoptr(json_t) config = read_config(path, NULL);
  const json_t *cluster =
      json_at(json_find(json_object_get(config, "clusters"), "name", profile->name), "cluster", NULL);
  return strcmp(json_str(cluster, "server", ""), server) == 0 &&
         json_find(json_object_get(config, "contexts"), "name", profile->name) != NULL;
}

char *kubeconfig_current_context(void)
{
  g_autofree char *path = kubeconfig_path();
  g_autoptr(json_t) config = read_config(path, NULL);
  const char *name = json_str(config, "current-context", "");
  return *name ? g_strdup(name) : NULL;
}
