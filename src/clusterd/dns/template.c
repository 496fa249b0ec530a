#include "clusterd/dns/template.h"

#include <ldns/ldns.h>

#include "clusterd/dns/name.h"
#include "clusterd/dns/resolver.h"

#define RECORDS_MAX 100

struct Template {
  ZoneSet zones, fall_through;
  ldns_rr_type type; /* ANY: every one */
  ldns_pkt_rcode rcode;
  GPtrArray *matches;             /* GRegex*; none: every name */
  GPtrArray *answers, *authority; /* char*, records */
};

void template_free(Template *template_)
{
  if (!template_)
    return;
  zone_set_clear(&template_->zones);
  zone_set_clear(&template_->fall_through);
  g_ptr_array_unref(template_->matches);
  g_ptr_array_unref(template_->answers);
  g_ptr_array_unref(template_->authority);
  g_free(template_);
}

/* TEXT with the name in place; NULL when something else would be computed. The caller frees. */
static char *fill(const char *text, const char *name)
{
  g_autoptr(GString) out = g_string_new(text);
  g_string_replace(out, "{{ .Name }}", name, 0);
  g_string_replace(out, "{{.Name}}", name, 0);
  return g_strstr_len(out->str, -1, "{{") ? NULL : g_strdup(out->str);
}

static ldns_rr *make_record(const char *text, const char *name)
{
  ldns_rr *rr = NULL;
  g_autofree char *filled = fill(text, name);
  return filled && ldns_rr_new_frm_str(&rr, filled, 3600, NULL, NULL) == LDNS_STATUS_OK ? rr : NULL;
}

static bool add_record(GPtrArray *records, const CorefileLine *line, GError **error)
{
  g_autofree char *text = g_strjoinv(" ", line->words + 1);
  ldns_rr *rr = make_record(text, "name.example.org.");
  if (!rr || records->len == RECORDS_MAX) {
    ldns_rr_free(rr);
    return corefile_error(error, line, "'%s' is no record that can be made here: only {{ .Name }} is replaced", text);
  }
  ldns_rr_free(rr);
  g_ptr_array_add(records, g_steal_pointer(&text));
  return true;
}

static bool read_rcode(Template *template_, const CorefileLine *line, GError **error)
{
  const ldns_lookup_table *entry = line->words[1] ? ldns_lookup_by_name(ldns_rcodes, line->words[1]) : NULL;
  if (!entry || entry->id > 15)
    return corefile_error(error, line, "rcode needs the name of a response code");
  template_->rcode = (ldns_pkt_rcode)entry->id;
  return true;
}

static bool read_matches(Template *template_, const CorefileLine *line, GError **error)
{
  g_autoptr(GError) inner = NULL;
  for (char **word = line->words + 1; *word; word++) {
    GRegex *regex = g_regex_new(*word, G_REGEX_OPTIMIZE, 0, &inner);
    if (!regex)
      return corefile_error(error, line, "%s", inner->message);
    g_ptr_array_add(template_->matches, regex);
  }
  return true;
}

static bool read_property(Template *template_, const CorefileLine *line, GError **error)
{
  const char *word = line->words[0];
  if (g_str_equal(word, "match"))
    return read_matches(template_, line, error);
  if (g_str_equal(word, "answer"))
    return add_record(template_->answers, line, error);
  if (g_str_equal(word, "authority"))
    return add_record(template_->authority, line, error);
  if (g_str_equal(word, "rcode"))
    return read_rcode(template_, line, error);
  if (g_str_equal(word, "fallthrough"))
    return zone_set_add_words(&template_->fall_through, line->words + 1, error);
  return corefile_error(error, line, "unknown property '%s'", word);
}

Template *template_new(const CorefileLine *line, GError **error)
{
  g_autoptr(Template) template_ = g_new0(Template, 1);
  template_->matches = g_ptr_array_new_with_free_func((GDestroyNotify)g_regex_unref);
  template_->answers = g_ptr_array_new_with_free_func(g_free);
  template_->authority = g_ptr_array_new_with_free_func(g_free);
  if (g_strv_length(line->words) < 3)
    return corefile_error(error, line, "template needs a class and a type"), NULL;
  template_->type = ldns_get_rr_type_by_name(line->words[2]);
  if (template_->type == 0)
    return corefile_error(error, line, "'%s' is no type of record", line->words[2]), NULL;
  if (!zone_set_add_words(&template_->zones, line->words + 3, error))
    return NULL;
  for (guint i = 0; line->lines && i < line->lines->len; i++)
    if (!read_property(template_, line->lines->pdata[i], error))
      return NULL;
  return g_steal_pointer(&template_);
}

static bool matches(const Template *template_, const char *name)
{
  for (guint i = 0; i < template_->matches->len; i++)
    if (g_regex_match(template_->matches->pdata[i], name, 0, NULL))
      return true;
  return template_->matches->len == 0;
}

static void push(ldns_pkt *answer, ldns_pkt_section section, const GPtrArray *records, const char *name)
{
  for (guint i = 0; i < records->len; i++) {
    ldns_rr *rr = make_record(records->pdata[i], name);
    if (rr)
      ldns_pkt_push_rr(answer, section, rr);
  }
}

ldns_pkt *template_answer(const Template *template_, const uint8_t *name, size_t length, uint16_t type)
{
  if ((template_->type != LDNS_RR_TYPE_ANY && template_->type != type) ||
      !zone_set_has(&template_->zones, name, length))
    return NULL;
  g_autofree char *text = name_to_text(name, length);
  if (!matches(template_, text)) {
    if (zone_set_has(&template_->fall_through, name, length))
      return NULL;
    return resolver_begin(name, length, type, LDNS_RCODE_NXDOMAIN);
  }
  ldns_pkt *answer = resolver_begin(name, length, type, (uint8_t)template_->rcode);
  ldns_pkt_set_aa(answer, true);
  push(answer, LDNS_SECTION_ANSWER, template_->answers, text);
  push(answer, LDNS_SECTION_AUTHORITY, template_->authority, text);
  return answer;
}
