#pragma once
/* Reading a configuration: what the parts share. Everything wrong is added to `problems`, a line each. */
#include "clusterd/scheduler/scheduler_config.h"

typedef struct ConfigReader {
  GPtrArray *problems; /* char* */
} ConfigReader;

void config_problem(ConfigReader *reader, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* True when VALUE is an object; each of its members must be one of ALLOWED (NULL-terminated). */
bool config_check_object(ConfigReader *reader, const json_t *value, const char *path, const char *const *allowed);

/* The integer MEMBER of VALUE from LEAST to MOST; FALLBACK when it is absent or wrong. */
int64_t config_number(ConfigReader *reader, const json_t *value, const char *path, const char *member, int64_t least,
                      int64_t most, int64_t fallback);
bool config_flag(ConfigReader *reader, const json_t *value, const char *path, const char *member, bool fallback);

/* The list MEMBER of VALUE, borrowed, NULL when it is absent or no list of at most CONFIG_ITEMS_MAX. */
#define CONFIG_ITEMS_MAX 256
const json_t *config_list(ConfigReader *reader, const json_t *value, const char *path, const char *member);

/* The item of CHOICES (NULL-terminated) that the string MEMBER is; FALLBACK when it is absent or wrong. */
unsigned config_choice(ConfigReader *reader, const json_t *value, const char *path, const char *member,
                       const char *const *choices, unsigned fallback);

/* An entry {name, args} of pluginConfig. */
void config_read_args(ConfigReader *reader, const json_t *entry, const char *path, SchedulerProfile *profile);
