/* launcher start: brings a cluster up, or finishes what an earlier start began. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/runtime_name.h"
#include "bootstrap/boot_image.h"
#include "bootstrap/start.h"
#include "driver/driver.h"
#include "launcher/command.h"

#define MEMORY_MIN_MIB 512
#define DISK_MIN_MIB 2000
#define LOCK_TIMEOUT_MS 0 /* a second start says so at once */

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "cpus", 0, OPTION_INTEGER, "N", "2", NULL, "CPUs of the machine; max: all of the host" },
  { "memory", 'm', OPTION_SIZE, "SIZE", NULL, NULL,
    "memory of the machine (MiB, or with b, k, m, g); max: all of the host" },
  { "disk-size", 0, OPTION_SIZE, "SIZE", "20000mb", NULL,
    "disk of the machine, sparse; it can grow later, never shrink" },
  { "driver", 'd', OPTION_STRING, "NAME", NULL, NULL,
    "libvirt (a virtual machine) or container; chosen by itself when not given" },
  { "vm-driver", 0, OPTION_STRING, "NAME", NULL, NULL, "old name of --driver" },
  { "iso-url", 0, OPTION_STRING, "URL", NULL, NULL, "boot image: address or path" },
  { "iso-key", 0, OPTION_STRING, "FILE", NULL, NULL, "one more public key (PEM) the boot image may be signed with" },
  { "kubernetes-version", 0, OPTION_STRING, "VERSION", "stable", NULL,
    "accepted when it is the version this program has" },
  { "container-runtime", 'c', OPTION_STRING, "NAME", NULL, NULL,
    "what runs the containers: native, docker, containerd or cri-o; native when not given" },
  { "apiserver-port", 0, OPTION_INTEGER, "PORT", "8443", NULL, "port of the API server on the profile's address" },
  { "apiserver-name", 0, OPTION_STRING, "NAME", NULL, NULL, "main name in the API server's certificate" },
  { "apiserver-names", 0, OPTION_LIST, "NAME", NULL, NULL, "more names in the API server's certificate" },
  { "apiserver-ips", 0, OPTION_LIST, "IP", NULL, NULL, "more addresses in the API server's certificate" },
  { "cert-expiration", 0, OPTION_DURATION, "TIME", "26280h", NULL, "how long certificates last" },
  { "dns-domain", 0, OPTION_STRING, "NAME", "cluster.local", NULL, "domain of services" },
  { "service-cluster-ip-range", 0, OPTION_STRING, "CIDR", "10.96.0.0/12", NULL,
    "addresses of services; with an IPv6 range after a comma, services and pods can have both" },
  { "namespace", 0, OPTION_STRING, "NAME", "default", NULL, "namespace kubectl uses" },
  { "keep-context", 0, OPTION_FLAG, NULL, NULL, NULL, "leave kubectl's current context" },
  { "embed-certs", 0, OPTION_FLAG, NULL, NULL, NULL, "put the certificates themselves into the kubeconfig" },
  { "wait-timeout", 0, OPTION_DURATION, "TIME", "6m0s", NULL, "how long to wait for the cluster" },
  { "wait", 0, OPTION_LIST, "WHAT", "all", NULL, "accepted for minikube's sake: start always waits for everything" },
  { "download-only", 0, OPTION_FLAG, NULL, NULL, NULL, "only fetch and verify the boot image" },
  { "dry-run", 0, OPTION_FLAG, NULL, NULL, NULL, "only check what was asked for" },
  { "force", 0, OPTION_FLAG, NULL, NULL, NULL, "go below the limits of CPUs and memory" },
  { "interactive", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake" },
  { "install-addons", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake" },
  { "preload", 0, OPTION_FLAG, NULL, "true", NULL, "accepted for minikube's sake" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON events" },
  { .name = NULL },
};

/* --- limits ---------------------------------------------------------------------------------------------------------
 */

static int64_t host_cpus(void)
{
  return sysconf(_SC_NPROCESSORS_ONLN);
}

static int64_t host_memory_mib(void)
{
  return sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 1048576;
}

/* minikube's rule: a quarter of the host's memory, in steps of 100 MB, between 3072 and 6144 MB; never more than it
 * has. */
static int64_t default_memory_mib(void)
{
  int64_t quarter = host_memory_mib() / 4 / 100 * 100;
  return MIN(CLAMP(quarter, 3072, 6144), host_memory_mib());
}

static bool is_all(const char *text)
{
  return g_strcmp0(text, "max") == 0 || g_strcmp0(text, "no-limit") == 0;
}

static bool check_resources(const Profile *profile, bool force, GError **error)
{
  if (profile->cpus < 1 || (profile->cpus > host_cpus() && !force))
    return reason_set(error, REASON_INSUFFICIENT_CORES,
                      "--cpus: %d is not allowed: the host has %d, at least 1 is needed", (int)profile->cpus,
                      (int)host_cpus());
  if (profile->memory_mib < MEMORY_MIN_MIB && !force)
    return reason_set(error, REASON_INSUFFICIENT_MEMORY, "--memory: %dMiB is less than the %dMiB a cluster needs",
                      (int)profile->memory_mib, MEMORY_MIN_MIB);
  if (profile->memory_mib > host_memory_mib() && !force)
    return reason_set(error, REASON_OVER_MEMORY, "--memory: %dMiB is more than the %dMiB of the host",
                      (int)profile->memory_mib, (int)host_memory_mib());
  if (profile->disk_mib < DISK_MIN_MIB && !force)
    return reason_set(error, REASON_INSUFFICIENT_STORAGE, "--disk-size: %dMiB is less than the %dMiB a cluster needs",
                      (int)profile->disk_mib, DISK_MIN_MIB);
  return true;
}

/* --- what was asked for, over what the profile has ------------------------------------------------------------------
 */

static bool wants(const Invocation *invocation, const char *option, bool is_new)
{
  return is_new || invocation_has(invocation, option);
}

static bool resolve_size(const Invocation *invocation, const char *option, int64_t all, int64_t otherwise,
                         int64_t *value, GError **error)
{
  g_autofree char *text = invocation_setting(invocation, option);
  if (!text || is_all(text)) {
    *value = text ? all : otherwise;
    return true;
  }
  return invocation_integer_setting(invocation, option, value, error);
}

static bool resolve_machine(const Invocation *invocation, Profile *profile, bool is_new, GError **error)
{
  int64_t disk_before = profile->disk_mib;
  if (wants(invocation, "cpus", is_new) && !resolve_size(invocation, "cpus", host_cpus(), 2, &profile->cpus, error))
    return false;
  if (wants(invocation, "memory", is_new) &&
      !resolve_size(invocation, "memory", host_memory_mib(), default_memory_mib(), &profile->memory_mib, error))
    return false;
  if (wants(invocation, "disk-size", is_new) &&
      !resolve_size(invocation, "disk-size", profile->disk_mib, 20000, &profile->disk_mib, error))
    return false;
  if (!is_new && profile->disk_mib < disk_before)
    return reason_set(error, REASON_USAGE,
                      "--disk-size: %dMiB is smaller than the disk of \"%s\" (%dMiB): it can only grow",
                      (int)profile->disk_mib, profile->name, (int)disk_before);
  return check_resources(profile, invocation_flag(invocation, "force"), error);
}

static void resolve_text(const Invocation *invocation, const char *option, bool is_new, char **value)
{
  g_autofree char *text = wants(invocation, option, is_new) ? invocation_setting(invocation, option) : NULL;
  if (!text)
    return;
  g_free(*value);
  *value = g_steal_pointer(&text);
}

static void resolve_list(const Invocation *invocation, const char *option, json_t **value)
{
  if (!invocation_has(invocation, option))
    return;
  g_auto(GStrv) items = invocation_list(invocation, option);
  json_t *list = json_array();
  for (char **item = items; *item; item++)
    json_array_append_new(list, json_string(*item));
  json_decref(*value);
  *value = list;
}

static bool check_version(const Invocation *invocation, const Profile *profile, GError **error)
{
  const char *wanted = invocation_text(invocation, "kubernetes-version");
  const char *ours = profile->kubernetes_version;
  const char *bare = *wanted == 'v' ? wanted + 1 : wanted;
  if (strcmp(wanted, "stable") == 0 || strcmp(wanted, "latest") == 0 || strcmp(bare, ours + 1) == 0 ||
      (g_str_has_prefix(ours + 1, bare) && ours[1 + strlen(bare)] == '.'))
    return true;
  return reason_set(error, REASON_USAGE, "--kubernetes-version: \"%s\" is not available: this program has %s", wanted,
                    ours);
}

/* IPv4, or IPv4 and IPv6: the machine itself is reached by IPv4. */
static bool check_service_ranges(const char *text, GError **error)
{
  static const unsigned widest[IP_FAMILIES] = { 8, 108 }, narrowest[IP_FAMILIES] = { 28, 124 };
  IpRange ranges[IP_FAMILIES];
  unsigned count = ip_ranges_parse(text, ranges);
  for (unsigned i = 0; i < count; i++)
    if (ranges[i].family != (IpFamily)i || ranges[i].bits < widest[i] || ranges[i].bits > narrowest[i])
      count = 0;
  return count > 0 || reason_set(error, REASON_USAGE,
                                 "--service-cluster-ip-range: \"%s\" is not allowed: use an IPv4 range from /8 to /28, "
                                 "as 10.96.0.0/12, alone or with an IPv6 range from /108 to /124, as "
                                 "10.96.0.0/12,fd00:10:96::/112",
                                 text);
}

static bool resolve_cluster(const Invocation *invocation, Profile *profile, bool is_new, GError **error)
{
  int64_t lifetime_ms;
  if (!check_version(invocation, profile, error))
    return false;
  if (wants(invocation, "apiserver-port", is_new) &&
      !invocation_integer_setting(invocation, "apiserver-port", &profile->apiserver_port, error))
    return false;
  if (profile->apiserver_port < 1 || profile->apiserver_port > 65535)
    return reason_set(error, REASON_USAGE, "--apiserver-port: %d is not allowed: use 1 to 65535",
                      (int)profile->apiserver_port);
  if (wants(invocation, "cert-expiration", is_new)) {
    if (!invocation_integer_setting(invocation, "cert-expiration", &lifetime_ms, error))
      return false;
    profile->cert_expiration_seconds = MAX(lifetime_ms / 1000, 60);
  }
  resolve_text(invocation, "apiserver-name", is_new, &profile->apiserver_name);
  resolve_text(invocation, "dns-domain", is_new, &profile->dns_domain);
  resolve_text(invocation, "service-cluster-ip-range", is_new, &profile->service_cidr);
  if (!check_service_ranges(profile->service_cidr, error))
    return false;
  resolve_text(invocation, "namespace", is_new, &profile->namespace_);
  resolve_list(invocation, "apiserver-names", &profile->apiserver_names);
  resolve_list(invocation, "apiserver-ips", &profile->apiserver_ips);
  return true;
}

/* --- container runtime ----------------------------------------------------------------------------------------------
 */

/* An existing profile keeps its runtime: another one would not know its pods' containers and images. */
static bool resolve_runtime(const Invocation *invocation, Profile *profile, bool is_new, GError **error)
{
  g_autofree char *wanted = invocation_setting(invocation, "container-runtime");
  if (!wanted || (!is_new && !invocation_has(invocation, "container-runtime")))
    return true;
  const char *name = *wanted ? runtime_name_find(wanted) : runtime_names[0];
  if (!name) {
    g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)runtime_names);
    return reason_set(error, REASON_USAGE, "Invalid Container Runtime: \"%s\". Valid runtimes are: %s", wanted, all);
  }
  if (!is_new && strcmp(name, profile->container_runtime) != 0)
    return reason_set(error, REASON_USAGE,
                      "the profile \"%s\" uses the container runtime %s: delete it first, or leave "
                      "--container-runtime out",
                      profile->name, profile->container_runtime);
  g_free(profile->container_runtime);
  profile->container_runtime = g_strdup(name);
  return true;
}

/* --- driver ---------------------------------------------------------------------------------------------------------
 */

static const Driver *choose_driver(Output *output, GError **error)
{
  g_autoptr(GString) why = g_string_new(NULL);
  for (const Driver *const *driver = driver_list(); *driver; driver++) {
    g_autoptr(GError) inner = NULL;
    if ((*driver)->probe(&inner)) {
      output_step(output, "driver", "Automatically selected the %s driver", (*driver)->name);
      return *driver;
    }
    g_string_append_printf(why, "%s%s: %s", why->len ? "; " : "", (*driver)->name, inner->message);
  }
  reason_set(error, REASON_PROVIDER_UNAVAILABLE, "no driver works here (%s)", why->str);
  return NULL;
}

/* An existing profile keeps its driver. */
static bool resolve_driver(const Invocation *invocation, Profile *profile, bool is_new, GError **error)
{
  g_autofree char *wanted = invocation_setting(invocation, "driver");
  if (!wanted)
    wanted = invocation_setting(invocation, "vm-driver");
  const Driver *driver = wanted ? driver_find(wanted, error) : NULL;
  if (wanted && !driver)
    return false;
  if (!is_new) {
    if (driver && strcmp(driver->name, profile->driver) != 0 && invocation_has(invocation, "driver"))
      return reason_set(error, REASON_DRIVER_CONFLICT,
                        "the profile \"%s\" uses the driver %s: delete it first, or leave --driver out", profile->name,
                        profile->driver);
    output_step(invocation->output, "driver", "Using the %s driver based on existing profile", profile->driver);
    return true;
  }
  if (driver) {
    if (!driver->probe(error))
      return false;
    output_step(invocation->output, "driver", "Using the %s driver based on user configuration", driver->name);
  } else {
    driver = choose_driver(invocation->output, error);
    if (!driver)
      return false;
  }
  g_free(profile->driver);
  profile->driver = g_strdup(driver->name);
  return true;
}

/* --- start ----------------------------------------------------------------------------------------------------------
 */

static Profile *load_or_new(const Invocation *invocation, bool *is_new, GError **error)
{
  g_autoptr(GError) inner = NULL;
  Profile *profile = profile_load(invocation->home, invocation->profile, &inner);
  *is_new = reason_is(inner, REASON_GUEST_NOT_FOUND);
  if (*is_new)
    return profile_new(invocation->profile);
  if (inner)
    g_propagate_error(error, g_steal_pointer(&inner));
  return profile;
}

/* Where the boot image is: as asked for; else where the profile's came from; else configure's default. */
static char *image_source(const Invocation *invocation, const Profile *profile)
{
  char *source = invocation_setting(invocation, "iso-url");
  if (source)
    return source;
  return g_strdup(*profile->image_url ? profile->image_url : boot_image_default_source());
}

static void tell_done(const Invocation *invocation, const Profile *profile, GArray *timings)
{
  int64_t total = 0;
  for (guint i = 0; i < timings->len; i++) {
    const StartTiming *timing = &g_array_index(timings, StartTiming, i);
    total += timing->duration_us;
    g_info("step %s took %.3f s", timing->id, (double)timing->duration_us / G_USEC_PER_SEC);
  }
  output_step(invocation->output, "done",
              "Done! kubectl is now configured to use \"%s\" cluster and \"%s\" namespace by default (%.1f s)",
              profile->name, profile->namespace_, (double)total / G_USEC_PER_SEC);
}

static int bring_up(const Invocation *invocation, Profile *profile, GError **error)
{
  g_autofree char *source = image_source(invocation, profile);
  g_autofree char *key = invocation_setting(invocation, "iso-key");
  g_autofree char *events = home_profile_file(invocation->home, profile->name, "events.json");
  g_autoptr(GArray) timings = NULL;
  StartOptions start = { .image_source = source,
                         .image_key = key,
                         .download_only = invocation_flag(invocation, "download-only"),
                         .kubeconfig = { invocation_flag(invocation, "keep-context"),
                                         invocation_flag(invocation, "embed-certs") },
                         .program_path = invocation->program_path };
  if (!invocation_integer(invocation, "wait-timeout", &start.wait_timeout_ms, error))
    return 1;
  if (!start.download_only) {
    g_free(profile->image_url);
    profile->image_url = g_strdup(source);
    if (!profile_save(invocation->home, profile, error))
      return 1;
    output_record(invocation->output, events);
  }
  if (!start_run(invocation->home, profile, &start, output_progress(invocation->output), &timings, error))
    return 1;
  if (start.download_only)
    output_info(invocation->output, "Download complete!");
  else
    tell_done(invocation, profile, timings);
  return 0;
}

static int run(const Invocation *invocation, GError **error)
{
  bool is_new;
  if (strcmp(invocation_text(invocation, "output"), "json") == 0)
    output_use_json(invocation->output);
  output_step(invocation->output, "setup", "[%s] %s", invocation->profile, "launcher v" PACKAGE_VERSION);
  bool dry_run = invocation_flag(invocation, "dry-run");
  file_autofd int lock = dry_run ? -1 : profile_lock(invocation->home, invocation->profile, LOCK_TIMEOUT_MS, error);
  if (lock < 0 && !dry_run)
    return 1;
  g_autoptr(Profile) profile = load_or_new(invocation, &is_new, error);
  if (!profile || !resolve_machine(invocation, profile, is_new, error) ||
      !resolve_cluster(invocation, profile, is_new, error) || !resolve_runtime(invocation, profile, is_new, error) ||
      !resolve_driver(invocation, profile, is_new, error))
    return 1;
  if (dry_run) {
    output_info(invocation->output, "dry-run validation complete!");
    return 0;
  }
  return bring_up(invocation, profile, error);
}

const Command start_command = {
  .name = "start",
  .group = "Basic commands",
  .summary = "Start a cluster, or make it whole again",
  .usage = "",
  .description = "Creates the profile on the first start; later starts keep what was chosen then, unless an option "
                 "says otherwise. "
                 "A start never deletes anything: one that was interrupted is finished by the next.",
  .options = options,
  .run = run,
};
