#include "clusterd/proxy/rule_table.h"

#include <string.h>

#define TABLE_NAME "launcher"

struct RuleSet {
  char *name; /* with its kind, "map service-ips" */
  char *type;
  RuleSetFill fill;
  GPtrArray *keys;    /* char*, borrowed from values, in their order */
  GHashTable *values; /* key → value, both owned; value may be NULL */
};

typedef struct RuleChain {
  char *name, *head, *rules;
} RuleChain;

struct RuleTable {
  const char *family;
  GPtrArray *sets;      /* RuleSet*, owned */
  GHashTable *set_of;   /* name → RuleSet*, both borrowed */
  GPtrArray *chains;    /* RuleChain*, owned */
  GHashTable *chain_of; /* name → RuleChain*, both borrowed */
};

/* --- the data --------------------------------------------------------------------------------------------------- */

static void set_free(RuleSet *set)
{
  g_free(set->name);
  g_free(set->type);
  g_ptr_array_unref(set->keys);
  g_hash_table_unref(set->values);
  g_free(set);
}

static void chain_free(RuleChain *chain)
{
  g_free(chain->name);
  g_free(chain->head);
  g_free(chain->rules);
  g_free(chain);
}

RuleTable *rule_table_new(const char *family)
{
  RuleTable *table = g_new(RuleTable, 1);
  *table = (RuleTable){ .family = family,
                        .sets = g_ptr_array_new_with_free_func((GDestroyNotify)set_free),
                        .set_of = g_hash_table_new(g_str_hash, g_str_equal),
                        .chains = g_ptr_array_new_with_free_func((GDestroyNotify)chain_free),
                        .chain_of = g_hash_table_new(g_str_hash, g_str_equal) };
  return table;
}

void rule_table_free(RuleTable *table)
{
  if (!table)
    return;
  g_hash_table_unref(table->set_of);
  g_ptr_array_unref(table->sets);
  g_hash_table_unref(table->chain_of);
  g_ptr_array_unref(table->chains);
  g_free(table);
}

RuleSet *rule_table_add_set(RuleTable *table, const char *kind_and_name, const char *type, RuleSetFill fill)
{
  if (rule_table_has_set(table, kind_and_name))
    return NULL;
  RuleSet *set = g_new(RuleSet, 1);
  *set = (RuleSet){ .name = g_strdup(kind_and_name),
                    .type = g_strdup(type),
                    .fill = fill,
                    .keys = g_ptr_array_new(),
                    .values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free) };
  g_ptr_array_add(table->sets, set);
  g_hash_table_insert(table->set_of, set->name, set);
  return set;
}

bool rule_table_has_set(const RuleTable *table, const char *kind_and_name)
{
  return g_hash_table_contains(table->set_of, kind_and_name);
}

bool rule_set_add(RuleSet *set, const char *key, const char *value)
{
  if (g_hash_table_contains(set->values, key))
    return false;
  char *copy = g_strdup(key);
  g_hash_table_insert(set->values, copy, g_strdup(value));
  g_ptr_array_add(set->keys, copy);
  return true;
}

void rule_table_add_chain(RuleTable *table, const char *name, const char *head, char *rules)
{
  RuleChain *chain = g_new(RuleChain, 1);
  *chain = (RuleChain){ .name = g_strdup(name), .head = g_strdup(head), .rules = rules };
  g_ptr_array_add(table->chains, chain);
  g_hash_table_insert(table->chain_of, chain->name, chain);
}

bool rule_table_has_chain(const RuleTable *table, const char *name)
{
  return g_hash_table_contains(table->chain_of, name);
}

/* --- the text --------------------------------------------------------------------------------------------------- */

static const char *name_in_kind(const RuleSet *set)
{
  return strchr(set->name, ' ') + 1;
}

/* A list of elements that begins when the first one comes. */
typedef struct ElementList {
  GString *text;
  const char *begin, *end;
  bool any;
} ElementList;

static void list_element(ElementList *list, const char *key, const char *value)
{
  g_string_append(list->text, list->any ? ",\n      " : list->begin);
  g_string_append(list->text, key);
  if (value)
    g_string_append_printf(list->text, " : %s", value);
  list->any = true;
}

static void end_list(const ElementList *list)
{
  if (list->any)
    g_string_append(list->text, list->end);
}

static void append_set(GString *text, const RuleSet *set)
{
  ElementList list = { text, "    elements = {\n      ", "\n    }\n", false };
  g_string_append_printf(text, "  %s {\n    %s\n", set->name, set->type);
  for (guint i = 0; i < set->keys->len; i++)
    list_element(&list, set->keys->pdata[i], g_hash_table_lookup(set->values, set->keys->pdata[i]));
  end_list(&list);
  g_string_append(text, "  }\n");
}

static void append_chain(GString *text, const RuleChain *chain, bool with_rules)
{
  g_string_append_printf(text, "  chain %s {\n", chain->name);
  if (chain->head)
    g_string_append_printf(text, "    %s\n", chain->head);
  g_string_append_printf(text, "%s  }\n", with_rules ? chain->rules : "");
}

static void append_whole(GString *text, const RuleTable *table)
{
  g_string_append_printf(text,
                         "add table %s " TABLE_NAME "\ndelete table %s " TABLE_NAME "\ntable %s " TABLE_NAME " {\n",
                         table->family, table->family, table->family);
  for (guint i = 0; i < table->sets->len; i++)
    append_set(text, table->sets->pdata[i]);
  for (guint i = 0; i < table->chains->len; i++)
    append_chain(text, table->chains->pdata[i], true);
  g_string_append(text, "}\n");
}

/* --- what changes ----------------------------------------------------------------------------------------------- */

/* One comparison: the parts of the transaction, in the order in which they are given to the kernel. */
typedef struct Change {
  const RuleTable *before, *after;
  GString *added;   /* the beginning of a block with new sets and chains */
  GString *taken;   /* elements that go, before their keys come back with another value or their chains go */
  GString *emptied; /* chains whose rules are replaced or that go */
  GString *rules;   /* the rest of the block: rules of new and changed chains */
  GString *given;   /* elements that come */
  GString *deleted; /* chains, then sets, which nothing speaks of any more */
} Change;

static bool same_value(const RuleSet *set, const char *key, const char *value)
{
  gpointer there;
  return g_hash_table_lookup_extended(set->values, key, NULL, &there) && g_strcmp0(there, value) == 0;
}

static void append_missing(GString *text, const char *command, const RuleTable *table, const RuleSet *of,
                           const RuleSet *in)
{
  g_autofree char *begin =
      g_strdup_printf("%s element %s " TABLE_NAME " %s {\n      ", command, table->family, name_in_kind(of));
  ElementList list = { text, begin, "\n}\n", false };
  for (guint i = 0; i < of->keys->len; i++) {
    const char *key = of->keys->pdata[i], *value = g_hash_table_lookup(of->values, key);
    if (!in || !same_value(in, key, value))
      list_element(&list, key, value);
  }
  end_list(&list);
}

static bool same_elements(const RuleSet *before, const RuleSet *after)
{
  if (before->keys->len != after->keys->len)
    return false;
  for (guint i = 0; i < after->keys->len; i++)
    if (!same_value(before, after->keys->pdata[i], g_hash_table_lookup(after->values, after->keys->pdata[i])))
      return false;
  return true;
}

static void compare_set(Change *change, const RuleSet *after)
{
  const RuleSet *before = g_hash_table_lookup(change->before->set_of, after->name);
  if (!before) {
    /* its elements may lead to chains that are made in the same block */
    append_set(change->added, after);
    return;
  }
  if (after->fill == RULE_SET_BY_ELEMENT) {
    append_missing(change->taken, "delete", change->after, before, after);
    append_missing(change->given, "add", change->after, after, before);
  } else if (after->fill == RULE_SET_AT_ONCE && !same_elements(before, after)) {
    g_string_append_printf(change->taken, "flush set %s " TABLE_NAME " %s\n", change->after->family,
                           name_in_kind(after));
    append_missing(change->given, "add", change->after, after, NULL);
  }
}

static void compare_chain(Change *change, const RuleChain *after)
{
  const RuleChain *before = g_hash_table_lookup(change->before->chain_of, after->name);
  if (!before)
    append_chain(change->added, after, false);
  else if (g_str_equal(before->rules, after->rules))
    return;
  else
    g_string_append_printf(change->emptied, "flush chain %s " TABLE_NAME " %s\n", change->after->family, after->name);
  append_chain(change->rules, after, true);
}

/* A chain goes empty, for others that go may lead to it; a map goes empty, for it leads to chains. */
static void drop_unwanted(Change *change)
{
  const RuleTable *before = change->before, *after = change->after;
  for (guint i = 0; i < before->chains->len; i++) {
    const RuleChain *chain = before->chains->pdata[i];
    if (rule_table_has_chain(after, chain->name))
      continue;
    g_string_append_printf(change->emptied, "flush chain %s " TABLE_NAME " %s\n", after->family, chain->name);
    g_string_append_printf(change->deleted, "delete chain %s " TABLE_NAME " %s\n", after->family, chain->name);
  }
  for (guint i = 0; i < before->sets->len; i++) {
    const RuleSet *set = before->sets->pdata[i];
    if (rule_table_has_set(after, set->name))
      continue;
    const char *kind = g_str_has_prefix(set->name, "map ") ? "map" : "set";
    if (set->fill == RULE_SET_BY_ELEMENT && set->keys->len > 0)
      g_string_append_printf(change->taken, "flush %s %s " TABLE_NAME " %s\n", kind, after->family, name_in_kind(set));
    g_string_append_printf(change->deleted, "delete %s %s " TABLE_NAME " %s\n", kind, after->family, name_in_kind(set));
  }
}

static void append_block(GString *text, const RuleTable *table, const GString *lines)
{
  if (lines->len > 0)
    g_string_append_printf(text, "table %s " TABLE_NAME " {\n%s}\n", table->family, lines->str);
}

void rule_table_append_change(GString *text, const RuleTable *before, const RuleTable *table)
{
  if (!before) {
    append_whole(text, table);
    return;
  }
  Change change = { .before = before, .after = table };
  GString **parts[] = { &change.added, &change.taken, &change.emptied, &change.rules, &change.given, &change.deleted };
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    *parts[i] = g_string_new(NULL);
  for (guint i = 0; i < table->sets->len; i++)
    compare_set(&change, table->sets->pdata[i]);
  for (guint i = 0; i < table->chains->len; i++)
    compare_chain(&change, table->chains->pdata[i]);
  drop_unwanted(&change);
  append_block(text, table, change.added);
  g_string_append_len(text, change.taken->str, (gssize)change.taken->len);
  g_string_append_len(text, change.emptied->str, (gssize)change.emptied->len);
  append_block(text, table, change.rules);
  g_string_append_len(text, change.given->str, (gssize)change.given->len);
  g_string_append_len(text, change.deleted->str, (gssize)change.deleted->len);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
    g_string_free(*parts[i], TRUE);
}
