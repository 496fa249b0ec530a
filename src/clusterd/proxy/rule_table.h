#pragma once
/*
 * One nftables table as data, and the text that makes it out of what the kernel has: only what differs is told, in one
 * transaction with others. So a change costs what it changes, however much there is, and sets that packets fill
 * (clients of sticky services) are left alone. Everything given is copied unless said otherwise. Source: nft(8).
 */
#include <glib.h>
#include <stdbool.h>

typedef struct RuleTable RuleTable;
typedef struct RuleSet RuleSet;

/* How a set comes to its elements. */
typedef enum RuleSetFill {
  RULE_SET_BY_ELEMENT, /* each is added or deleted by itself */
  RULE_SET_AT_ONCE,    /* all are replaced: intervals, which must not meet on their way */
  RULE_SET_BY_PACKETS  /* the kernel's own */
} RuleSetFill;

/* FAMILY is "ip" or "ip6", static; the table's name is always "launcher". */
RuleTable *rule_table_new(const char *family);
void rule_table_free(RuleTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleTable, rule_table_free)

/* A set ("set NAME") or map ("map NAME") as the table's next; TYPE is what nft wants to know ("type ipv4_addr"), more
 * lines included. Borrowed from the table. NULL when there is one of that name already. */
RuleSet *rule_table_add_set(RuleTable *table, const char *kind_and_name, const char *type, RuleSetFill fill);
bool rule_table_has_set(const RuleTable *table, const char *kind_and_name);

/* The first value of a KEY stays: false when it is there already. VALUE is NULL in sets. */
bool rule_set_add(RuleSet *set, const char *key, const char *value);

/* The chain NAME as the table's next. HEAD is NULL or "type … hook …;". RULES is taken: lines with their ends. */
void rule_table_add_chain(RuleTable *table, const char *name, const char *head, char *rules);
bool rule_table_has_chain(const RuleTable *table, const char *name);

/* Appends what turns BEFORE into TABLE for `nft -f`, nothing when they are the same. BEFORE NULL: the kernel may have
 * anything, the table is made anew. Any transaction may follow any other: names that stay keep their kind and type. */
void rule_table_append_change(GString *text, const RuleTable *before, const RuleTable *table);
