#include "clusterd/controllers/batch/job_indexes.h"

#include <string.h>

static const JobRange *at(const JobIndexes *indexes, unsigned i)
{
  return &g_array_index(indexes, JobRange, i);
}

JobIndexes *job_indexes_new(void)
{
  return g_array_new(FALSE, FALSE, sizeof(JobRange));
}

JobIndexes *job_indexes_copy(const JobIndexes *indexes)
{
  JobIndexes *copy = job_indexes_new();
  if (indexes->len > 0)
    g_array_append_vals(copy, indexes->data, indexes->len);
  return copy;
}

void job_indexes_free(JobIndexes *indexes)
{
  if (indexes)
    g_array_unref(indexes);
}

/* The place of the first range that does not end before INDEX. */
static unsigned find(const JobIndexes *indexes, int64_t index)
{
  unsigned low = 0, high = indexes->len;
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (at(indexes, middle)->last >= index)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

void job_indexes_add(JobIndexes *indexes, int64_t first, int64_t last)
{
  unsigned from = find(indexes, first - 1), to = from;
  JobRange range = { first, last };
  while (to < indexes->len && at(indexes, to)->first <= last + 1) {
    range.first = MIN(range.first, at(indexes, to)->first);
    range.last = MAX(range.last, at(indexes, to)->last);
    to++;
  }
  if (to > from)
    g_array_remove_range(indexes, from, to - from);
  g_array_insert_val(indexes, from, range);
}

void job_indexes_add_all(JobIndexes *indexes, const JobIndexes *others)
{
  for (unsigned i = 0; i < others->len; i++)
    job_indexes_add(indexes, at(others, i)->first, at(others, i)->last);
}

JobIndexes *job_indexes_parse(const char *text, int64_t limit)
{
  JobIndexes *indexes = job_indexes_new();
  g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
  for (char **part = parts; *part; part++) {
    char *dash = strchr(*part, '-');
    guint64 first, last;
    if (dash)
      *dash = '\0';
    if (!g_ascii_string_to_unsigned(*part, 10, 0, G_MAXINT32, &first, NULL) ||
        !g_ascii_string_to_unsigned(dash ? dash + 1 : *part, 10, 0, G_MAXINT32, &last, NULL))
      continue;
    last = MIN((int64_t)last, limit - 1);
    if ((int64_t)first < limit && first <= last)
      job_indexes_add(indexes, (int64_t)first, (int64_t)last);
  }
  return indexes;
}

char *job_indexes_text(const JobIndexes *indexes)
{
  GString *text = g_string_new(NULL);
  for (unsigned i = 0; i < indexes->len; i++) {
    const JobRange *range = at(indexes, i);
    g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? "," : "", range->first);
    if (range->last > range->first)
      g_string_append_printf(text, "%c%" G_GINT64_FORMAT, range->last == range->first + 1 ? ',' : '-', range->last);
  }
  return g_string_free(text, FALSE);
}

bool job_indexes_has(const JobIndexes *indexes, int64_t index)
{
  unsigned place = find(indexes, index);
  return place < indexes->len && at(indexes, place)->first <= index;
}

int64_t job_indexes_count(const JobIndexes *indexes)
{
  int64_t count = 0;
  for (unsigned i = 0; i < indexes->len; i++)
    count += at(indexes, i)->last - at(indexes, i)->first + 1;
  return count;
}

int64_t job_indexes_count_common(const JobIndexes *a, const JobIndexes *b)
{
  int64_t count = 0;
  for (unsigned i = 0, k = 0; i < a->len && k < b->len;) {
    const JobRange *left = at(a, i), *right = at(b, k);
    count += MAX(MIN(left->last, right->last) - MAX(left->first, right->first) + 1, 0);
    if (left->last < right->last)
      i++;
    else
      k++;
  }
  return count;
}
