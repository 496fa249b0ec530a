#pragma once
/* clusterd's settings as one table: from its rows are made the command line, what cluster.json may say, --help, and
 * clusterd(8). Where kube-apiserver has the option, name and meaning are its own. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/cluster_config.h"

typedef enum OptionType {
  OPTION_TEXT,     /* char * */
  OPTION_ADDRESS,  /* char *: IPv4 */
  OPTION_RANGE,    /* char *: as ip_ranges_parse reads, "10.96.0.0/12" */
  OPTION_LIST,     /* char **: separated by commas, may be given several times */
  OPTION_FLAG,     /* bool: --name, --name=false */
  OPTION_NUMBER,   /* int64_t of at most `max` */
  OPTION_FRACTION, /* double from 0 to `max`: "0.1" */
  OPTION_DURATION, /* int64_t, seconds, at least `min`: "1h30m0s" */
  OPTION_ACTION,   /* no setting: command_line.c knows what to do */
} OptionType;

typedef struct Option {
  const char *section; /* heading above this row in --help; NULL: that of the row before */
  const char *name;    /* "secure-port"; NULL: only in cluster.json */
  const char *member;  /* of cluster.json; NULL: only on the command line */
  OptionType type;
  const char *argument;       /* what --help calls the value; NULL for flags and actions */
  size_t offset;              /* in ClusterConfig */
  const char *fallback;       /* NULL: empty, false or 0 */
  int64_t max;                /* of a number or fraction */
  int64_t min;                /* of a duration */
  const char *const *choices; /* of a text or a list's items; NULL: any */
  const char *help;           /* NULL: not shown */
} Option;

#define OPTION_TEXT_MAX 4096 /* bytes a value may have */
#define OPTION_ITEMS_MAX 64  /* items a list may have */

/* All rows; the last has neither name nor member. */
extern const Option option_table[];

/* Sets OPTION's member of CONFIG to what TEXT says; a list is added to unless REPLACE. NULL, or what is wrong with
 * TEXT ("\"x\" must be …"), which the caller frees. */
char *option_set(const Option *option, ClusterConfig *config, const char *text, bool replace);

/* Frees OPTION's member of CONFIG. */
void option_clear(const Option *option, ClusterConfig *config);

/* --help, and clusterd(8) in roff. The caller frees. */
char *options_help(void);
char *options_man_page(void);
