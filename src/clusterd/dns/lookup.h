#pragma once
/*
 * From questions to answers: the cache, then the parts of the server block in their order, then nameservers. Equal
 * questions that nameservers are asked about at the same time become one. Belongs to the DNS thread's event loop.
 */
#include <event2/event.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/dns/answer.h"
#include "clusterd/dns/resolver.h"

#define LOOKUPS_MAX 2000        /* at a time */
#define LOOKUP_WAITERS_MAX 5000 /* of all of them together */

typedef struct LookupSet LookupSet;

typedef struct LookupConfig {
  DnsFacts facts;
  const char *domain, *address; /* the cluster's */
  const char *resolv_conf;
  uint16_t upstream_port; /* 53 */
  /* Called when the ConfigMap has changed: MESSAGE says what is wrong with it and what is in force instead; NULL: it is
   * in force now. On the DNS thread, but for what is wrong at the start. May be NULL. */
  void (*report)(void *data, const json_t *config_map, const char *message);
  void *report_data;
} LookupConfig;

LookupSet *lookup_set_new(struct event_base *base, const LookupConfig *config);
/* Refuses the questions that have no answer yet. */
void lookup_set_free(LookupSet *set);

/* Reads the ConfigMaps again. Questions on their way go on. */
void lookup_set_reload(LookupSet *set);

/* An answer that is there already, borrowed until the next call, and its age in seconds; NULL: none. */
const Answer *lookup_set_cached(LookupSet *set, const Question *question, uint32_t *age);

/* ANSWER is borrowed; NULL: refuse with RCODE. */
typedef void (*LookupDone)(const Answer *answer, uint8_t rcode, void *data);

/* Looks QUESTION up. May call back at once. */
void lookup_set_start(LookupSet *set, const Question *question, LookupDone done, void *data);

/* Whether some block logs questions, and whether that of QUESTION does. */
bool lookup_set_logs(const LookupSet *set, const Question *question);
