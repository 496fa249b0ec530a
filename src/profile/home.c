#include "profile/home.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"

typedef struct Identity {
  const char *program, *env_prefix, *directory;
} Identity;

static const Identity launcher_identity = { "launcher", "LAUNCHER", ".launcher" };
static const Identity minikube_identity = { "minikube", "MINIKUBE", ".minikube" };

static char *home_path(const Identity *identity)
{
  g_autofree char *variable = g_strconcat(identity->env_prefix, "_HOME", NULL);
  const char *wanted = g_getenv(variable);
  if (!wanted || !*wanted)
    return g_build_filename(g_get_home_dir(), identity->directory, NULL);
  g_autofree char *last = g_path_get_basename(wanted);
  if (strcmp(last, identity->directory) == 0)
    return g_canonicalize_filename(wanted, NULL);
  g_autofree char *joined = g_build_filename(wanted, identity->directory, NULL);
  return g_canonicalize_filename(joined, NULL);
}

Home *home_new(const char *program_path)
{
  g_autofree char *name = g_path_get_basename(program_path);
  const Identity *identity = strcmp(name, "minikube") == 0 ? &minikube_identity : &launcher_identity;
  Home *home = g_new0(Home, 1);
  home->path = home_path(identity);
  home->program = identity->program;
  home->env_prefix = identity->env_prefix;
  home->default_profile = identity->program;
  return home;
}

void home_free(Home *home)
{
  if (!home)
    return;
  g_free(home->path);
  g_free(home);
}

const char *home_env(const Home *home, const char *name)
{
  g_autofree char *variable = g_strdup_printf("%s_%s", home->env_prefix, name);
  const char *value = g_getenv(variable);
  return value && *value ? value : NULL;
}

char *home_file(const Home *home, const char *relative)
{
  return g_build_filename(home->path, relative, NULL);
}

char *home_profile_file(const Home *home, const char *profile, const char *relative)
{
  return g_build_filename(home->path, "profiles", profile, relative, NULL);
}

static json_t *config_read(const Home *home, GError **error)
{
  g_autofree char *path = home_file(home, "config/config.json");
  if (access(path, F_OK) != 0)
    return json_object();
  g_autoptr(json_t) value = json_read_file(path, error);
  if (value && !json_is_object(value)) {
    reason_set(error, REASON_CONFIG, "%s: must hold a JSON object", path);
    return NULL;
  }
  return g_steal_pointer(&value);
}

char *home_config_get(const Home *home, const char *key, GError **error)
{
  g_autoptr(json_t) config = config_read(home, error);
  const json_t *value = json_object_get(config, key);
  if (!value)
    return NULL;
  return json_is_string(value) ? g_strdup(json_string_value(value)) : json_text(value);
}

bool home_config_set(const Home *home, const char *key, const char *value, GError **error)
{
  g_autofree char *directory = home_file(home, "config");
  g_autofree char *path = g_build_filename(directory, "config.json", NULL);
  g_autofree char *lock_path = g_build_filename(directory, "config.lock", NULL);
  if (!file_make_dirs(directory, 0755, error))
    return false;
  file_autofd int lock = file_lock(lock_path, 10000, error);
  g_autoptr(json_t) config = lock >= 0 ? config_read(home, error) : NULL;
  if (!config)
    return false;
  if (value)
    json_object_set_new(config, key, json_string(value));
  else
    json_object_del(config, key);
  g_autofree char *text = json_text_pretty(config);
  return file_write_atomic(path, text, strlen(text), 0644, error);
}
