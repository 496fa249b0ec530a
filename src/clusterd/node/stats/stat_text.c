#include "clusterd/node/stats/stat_text.h"

#include <string.h>

#define NANOSECONDS 1000000000u
#define KIBIBYTE 1024u
#define BOOT_SECONDS_MAX (1ull << 40) /* so that microseconds fit as well */

/* A number at the begin of TEXT; *END gets what follows. A value too large for 64 bits is none. */
static bool parse_number(const char *text, uint64_t *value, const char **end)
{
  uint64_t sum = 0;
  if (!g_ascii_isdigit(*text))
    return false;
  for (; g_ascii_isdigit(*text); text++)
    if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
      return false;
  *value = sum;
  *end = text;
  return true;
}

static const char *skip_blanks(const char *text)
{
  return text + strspn(text, " \t");
}

bool stat_text_number(const char *text, uint64_t *value)
{
  const char *end;
  text = skip_blanks(text);
  if (g_str_has_prefix(text, "max")) {
    *value = UINT64_MAX;
    end = text + strlen("max");
  } else if (!parse_number(text, value, &end)) {
    return false;
  }
  return end[strspn(end, " \t\n")] == '\0';
}

/* What follows KEY at the begin of a line, NULL when no line begins with it. */
static const char *find_line(const char *text, const char *key)
{
  gsize length = strlen(key);
  while (text) {
    if (strncmp(text, key, length) == 0 && (text[length] == ' ' || text[length] == '\t'))
      return skip_blanks(text + length);
    text = strchr(text, '\n');
    text = text ? text + 1 : NULL;
  }
  return NULL;
}

bool stat_text_field(const char *text, const char *key, uint64_t *value)
{
  const char *end, *found = find_line(text, key);
  return found && parse_number(found, value, &end) && strchr(" \t\n", *end);
}

typedef struct Field {
  const char *key;
  gsize offset; /* of a uint64_t in ResourceUsage */
} Field;
#define FIELD(key, member)                                                                                             \
  {                                                                                                                    \
    key, G_STRUCT_OFFSET(ResourceUsage, member)                                                                        \
  }

static void read_fields(const char *text, const Field *fields, gsize n_fields, ResourceUsage *usage)
{
  for (gsize i = 0; i < n_fields; i++)
    stat_text_field(text, fields[i].key, G_STRUCT_MEMBER_P(usage, fields[i].offset));
}

/* Files that were not used lately can be had back at once: they do not count as needed. */
static void set_working_set(const char *text, const char *inactive_key, ResourceUsage *usage)
{
  uint64_t inactive = 0;
  stat_text_field(text, inactive_key, &inactive);
  usage->working_set_bytes = usage->memory_bytes > inactive ? usage->memory_bytes - inactive : 0;
}

void stat_text_memory_v1(const char *text, ResourceUsage *usage)
{
  static const Field fields[] = {
    FIELD("total_rss", rss_bytes),   FIELD("total_cache", cache_bytes),   FIELD("total_mapped_file", mapped_bytes),
    FIELD("total_swap", swap_bytes), FIELD("total_pgfault", page_faults), FIELD("total_pgmajfault", major_page_faults)
  };
  read_fields(text, fields, G_N_ELEMENTS(fields), usage);
  set_working_set(text, "total_inactive_file", usage);
}

void stat_text_memory_v2(const char *text, ResourceUsage *usage)
{
  static const Field fields[] = { FIELD("anon", rss_bytes), FIELD("file", cache_bytes),
                                  FIELD("file_mapped", mapped_bytes), FIELD("pgfault", page_faults),
                                  FIELD("pgmajfault", major_page_faults) };
  read_fields(text, fields, G_N_ELEMENTS(fields), usage);
  set_working_set(text, "inactive_file", usage);
}

void stat_text_cpu_v2(const char *text, ResourceUsage *usage)
{
  uint64_t microseconds;
  usage->has_cpu = stat_text_field(text, "usage_usec", &microseconds) &&
                   !__builtin_mul_overflow(microseconds, 1000u, &usage->cpu_ns);
}

void stat_text_proc_stat(const char *text, uint64_t ticks, ResourceUsage *usage, int64_t *boot_seconds)
{
  /* user nice system idle iowait irq softirq steal; what guests use is a part of user */
  static const bool busy[] = { true, true, true, false, false, true, true, true };
  const char *word = find_line(text, "cpu");
  unsigned __int128 sum = 0;
  uint64_t value, boot = 0;
  gsize n_words = 0;
  for (; word && n_words < G_N_ELEMENTS(busy) && parse_number(word, &value, &word); n_words++) {
    sum += busy[n_words] ? value : 0;
    word = skip_blanks(word);
  }
  usage->has_cpu = n_words >= 3 && ticks > 0; /* the oldest kernels tell fewer */
  if (usage->has_cpu)
    usage->cpu_ns = (uint64_t)(sum * NANOSECONDS / ticks);
  stat_text_field(text, "btime", &boot);
  *boot_seconds = boot < BOOT_SECONDS_MAX ? (int64_t)boot : 0;
}

/* A value of /proc/meminfo in bytes; 0 when it is not told. */
static uint64_t meminfo_bytes(const char *text, const char *key)
{
  uint64_t kibibytes = 0, bytes = 0;
  return stat_text_field(text, key, &kibibytes) && !__builtin_mul_overflow(kibibytes, KIBIBYTE, &bytes) ? bytes : 0;
}

static uint64_t difference(uint64_t more, uint64_t less)
{
  return more > less ? more - less : 0;
}

void stat_text_meminfo(const char *text, ResourceUsage *usage)
{
  uint64_t total = meminfo_bytes(text, "MemTotal:");
  usage->has_memory = total > 0;
  usage->memory_bytes = difference(total, meminfo_bytes(text, "MemFree:"));
  usage->working_set_bytes = difference(usage->memory_bytes, meminfo_bytes(text, "Inactive(file):"));
  usage->rss_bytes = meminfo_bytes(text, "AnonPages:");
  usage->cache_bytes = meminfo_bytes(text, "Cached:");
  usage->mapped_bytes = meminfo_bytes(text, "Mapped:");
  usage->swap_bytes = difference(meminfo_bytes(text, "SwapTotal:"), meminfo_bytes(text, "SwapFree:"));
}

void stat_text_vmstat(const char *text, ResourceUsage *usage)
{
  static const Field fields[] = { FIELD("pgfault", page_faults), FIELD("pgmajfault", major_page_faults) };
  read_fields(text, fields, G_N_ELEMENTS(fields), usage);
}

bool stat_text_loadavg(const char *text, uint64_t *processes)
{
  const char *end, *slash = strchr(text, '/');
  return slash && parse_number(slash + 1, processes, &end) && strchr(" \n", *end);
}

/* "  eth0: 1 2 …", sixteen numbers. */
static bool parse_interface(const char *line, InterfaceUsage *usage)
{
  uint64_t numbers[16];
  const char *colon = strchr(line, ':');
  gsize length = colon ? (gsize)(colon - line) : 0;
  if (length == 0 || length >= INTERFACE_NAME_MAX)
    return false;
  const char *word = colon + 1;
  for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
    if (!parse_number(skip_blanks(word), &numbers[i], &word))
      return false;
  *usage = (InterfaceUsage){ .rx_bytes = numbers[0],
                             .rx_packets = numbers[1],
                             .rx_errors = numbers[2],
                             .rx_dropped = numbers[3],
                             .tx_bytes = numbers[8],
                             .tx_packets = numbers[9],
                             .tx_errors = numbers[10],
                             .tx_dropped = numbers[11] };
  memcpy(usage->name, line, length);
  return true;
}

GArray *stat_text_interfaces(const char *text)
{
  GArray *interfaces = g_array_new(FALSE, FALSE, sizeof(InterfaceUsage));
  g_auto(GStrv) lines = g_strsplit(text, "\n", STAT_INTERFACES_MAX + 3); /* two lines of headings */
  for (char **line = lines; *line; line++) {
    InterfaceUsage usage;
    if (parse_interface(g_strchug(*line), &usage) && !g_str_equal(usage.name, "lo"))
      g_array_append_val(interfaces, usage);
  }
  return interfaces;
}
