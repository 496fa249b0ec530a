#include "clusterd/controllers/autoscaling/scale_rules.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

#define UP_FACTOR 2  /* without a behavior: at most twice as many pods at a time … */
#define UP_MINIMUM 4 /* … or this many */

#define HIGHER "recent recommendations were higher than current one, applying the highest recent recommendation"
#define LOWER "recent recommendations were lower than current one, applying the lowest recent recommendation"

/* --- history ---------------------------------------------------------------------------------------------------- */

ScaleHistory *scale_history_new(void)
{
  ScaleHistory *history = g_new0(ScaleHistory, 1);
  history->wishes = g_array_new(FALSE, FALSE, sizeof(ScaleNote));
  history->ups = g_array_new(FALSE, FALSE, sizeof(ScaleNote));
  history->downs = g_array_new(FALSE, FALSE, sizeof(ScaleNote));
  return history;
}

void scale_history_free(ScaleHistory *history)
{
  if (!history)
    return;
  g_array_unref(history->wishes);
  g_array_unref(history->ups);
  g_array_unref(history->downs);
  g_free(history);
}

static const ScaleNote *note_at(const GArray *notes, guint i)
{
  return &g_array_index(notes, ScaleNote, i);
}

/* Adds a note; forgets those from before CUTOFF_US. */
static void remember(GArray *notes, int64_t replicas, int64_t now_us, int64_t cutoff_us)
{
  ScaleNote note = { .replicas = replicas, .time_us = now_us };
  guint old = 0;
  while (old < notes->len && (note_at(notes, old)->time_us < cutoff_us || notes->len - old >= SCALE_HISTORY_MAX))
    old++;
  g_array_remove_range(notes, 0, old);
  g_array_append_val(notes, note);
}

void scale_history_begin(ScaleHistory *history, int64_t current, int64_t now_us)
{
  if (history->begun)
    return;
  history->begun = true;
  remember(history->wishes, current, now_us, now_us);
}

/* --- without a behavior ----------------------------------------------------------------------------------------- */

static void decide_plainly(ScaleHistory *history, const ScaleQuestion *question, ScaleDecision *decision)
{
  int64_t wish = question->wish, cutoff_us = question->now_us - question->window_us;
  for (guint i = 0; i < history->wishes->len; i++)
    if (note_at(history->wishes, i)->time_us >= cutoff_us)
      wish = MAX(wish, note_at(history->wishes, i)->replicas);
  remember(history->wishes, question->wish, question->now_us, cutoff_us);
  if (wish != question->wish) {
    decision->able_reason = "ScaleDownStabilized";
    decision->able_message = HIGHER;
  }
  int64_t limit = MAX(UP_FACTOR * question->current, UP_MINIMUM), most = MIN(question->max, limit);
  decision->replicas = wish;
  if (wish < question->min) {
    decision->replicas = question->min;
    decision->limited_reason = "TooFewReplicas";
    decision->limited_message = "the desired replica count is less than the minimum replica count";
  } else if (wish > most) {
    bool fast = question->max > limit;
    decision->replicas = most;
    decision->limited_reason = fast ? "ScaleUpLimit" : "TooManyReplicas";
    decision->limited_message = fast ? "the desired replica count is increasing faster than the maximum scale rate"
                                     : "the desired replica count is more than the maximum replica count";
  }
  decision->limited = decision->replicas != wish;
}

/* --- with a behavior -------------------------------------------------------------------------------------------- */

static int64_t seconds_of(const json_t *object, const char *member, int64_t fallback_us)
{
  const json_t *seconds = json_object_get(object, member);
  return json_is_integer(seconds) ? json_integer_value(seconds) * G_USEC_PER_SEC : fallback_us;
}

/* What NOTES changed in the last PERIOD_US. */
static int64_t changes_since(const GArray *notes, int64_t now_us, int64_t period_us)
{
  int64_t sum = 0;
  for (guint i = 0; i < notes->len; i++)
    if (note_at(notes, i)->time_us > now_us - period_us)
      sum += note_at(notes, i)->replicas;
  return sum;
}

/* What one policy allows: the most of RISING, else the least. */
static int64_t policy_limit(const ScaleHistory *history, const ScaleQuestion *question, const json_t *policy,
                            bool rising)
{
  int64_t period_us = seconds_of(policy, "periodSeconds", 0), value = json_int(policy, "value", 0);
  int64_t before = question->current - changes_since(history->ups, question->now_us, period_us) +
                   changes_since(history->downs, question->now_us, period_us);
  if (strcmp(json_str(policy, "type", ""), "Pods") == 0)
    return rising ? before + value : before - value;
  double share = (double)value / 100;
  return rising ? (int64_t)ceil((double)before * (1 + share)) : (int64_t)((double)before * (1 - share));
}

/* What RULES allow; the present count when they forbid any change, or have none to tell. */
static int64_t rules_limit(const ScaleHistory *history, const ScaleQuestion *question, bool rising)
{
  const json_t *rules = json_object_get(question->behavior, rising ? "scaleUp" : "scaleDown");
  const char *select = json_str(rules, "selectPolicy", "Max");
  if (strcmp(select, "Disabled") == 0)
    return question->current;
  /* the least change upwards is the smallest count, downwards the largest */
  bool smallest = (strcmp(select, "Min") == 0) == rising;
  int64_t limit = smallest ? INT32_MAX : INT32_MIN;
  size_t i;
  json_t *policy;
  json_array_foreach (json_object_get(rules, "policies"), i, policy) {
    int64_t allowed = policy_limit(history, question, policy, rising);
    limit = smallest ? MIN(limit, allowed) : MAX(limit, allowed);
  }
  return rising ? MAX(limit, question->current) : MIN(limit, question->current);
}

static void limit_wish(const ScaleHistory *history, const ScaleQuestion *question, int64_t wish,
                       ScaleDecision *decision)
{
  decision->replicas = wish;
  if (wish > question->current) {
    int64_t limit = rules_limit(history, question, true), most = MIN(question->max, limit);
    bool fast = question->max > limit;
    if (wish <= most)
      return;
    decision->replicas = most;
    decision->limited_reason = fast ? "ScaleUpLimit" : "TooManyReplicas";
    decision->limited_message = fast ? "the desired replica count is increasing faster than the maximum scale rate"
                                     : "the desired replica count is more than the maximum replica count";
  } else if (wish < question->current) {
    int64_t limit = rules_limit(history, question, false), least = MAX(question->min, limit);
    bool fast = question->min < limit;
    if (wish >= least)
      return;
    decision->replicas = least;
    decision->limited_reason = fast ? "ScaleDownLimit" : "TooFewReplicas";
    decision->limited_message = fast ? "the desired replica count is decreasing faster than the maximum scale rate"
                                     : "the desired replica count is less than the minimum replica count";
  }
}

static void decide_by_behavior(ScaleHistory *history, const ScaleQuestion *question, ScaleDecision *decision)
{
  int64_t now_us = question->now_us, up = question->wish, down = question->wish;
  int64_t up_us = now_us - seconds_of(json_object_get(question->behavior, "scaleUp"), "stabilizationWindowSeconds", 0);
  int64_t down_us = now_us - seconds_of(json_object_get(question->behavior, "scaleDown"), "stabilizationWindowSeconds",
                                        question->window_us);
  for (guint i = 0; i < history->wishes->len; i++) {
    const ScaleNote *note = note_at(history->wishes, i);
    if (note->time_us > up_us)
      up = MIN(up, note->replicas);
    if (note->time_us > down_us)
      down = MAX(down, note->replicas);
  }
  remember(history->wishes, question->wish, now_us, MIN(up_us, down_us));
  int64_t wish = question->current;
  wish = MAX(wish, up);
  wish = MIN(wish, down);
  if (wish != question->wish) {
    bool rising = question->wish >= question->current;
    decision->able_reason = rising ? "ScaleUpStabilized" : "ScaleDownStabilized";
    decision->able_message = rising ? LOWER : HIGHER;
  }
  limit_wish(history, question, wish, decision);
  decision->limited = decision->replicas != wish;
}

void scale_decide(ScaleHistory *history, const ScaleQuestion *question, ScaleDecision *decision)
{
  *decision = (ScaleDecision){
    .able_reason = "ReadyForNewScale",
    .able_message = "recommended size matches current size",
    .limited_reason = "DesiredWithinRange",
    .limited_message = "the desired count is within the acceptable range",
  };
  if (question->behavior)
    decide_by_behavior(history, question, decision);
  else
    decide_plainly(history, question, decision);
}

void scale_history_note(ScaleHistory *history, const json_t *behavior, int64_t current, int64_t replicas,
                        int64_t now_us)
{
  bool rising = replicas > current;
  int64_t longest_us = 0;
  size_t i;
  json_t *policy;
  if (!behavior)
    return;
  json_array_foreach (json_at(behavior, rising ? "scaleUp" : "scaleDown", "policies", NULL), i, policy)
    longest_us = MAX(longest_us, seconds_of(policy, "periodSeconds", 0));
  remember(rising ? history->ups : history->downs, ABS(replicas - current), now_us, now_us - longest_us);
}
