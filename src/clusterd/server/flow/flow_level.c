/* Seats and queues of priority levels. */
#include <string.h>

#include "clusterd/server/flow/flow_private.h"

/* --- life ----------------------------------------------------------------------------------------------------------
 */

FlowLevels *flow_levels_new(gint64 wait_us)
{
  FlowLevels *levels = g_new0(FlowLevels, 1);
  levels->wait_us = wait_us;
  g_mutex_init(&levels->lock);
  g_cond_init(&levels->changed);
  levels->current = g_ptr_array_new_with_free_func((GDestroyNotify)flow_level_unref);
  return levels;
}

void flow_levels_free(FlowLevels *levels)
{
  g_ptr_array_unref(levels->current);
  g_cond_clear(&levels->changed);
  g_mutex_clear(&levels->lock);
  g_free(levels);
}

static void counts_free(void *data)
{
  FlowCounts *counts = data;
  g_free(counts->schema);
  g_free(counts);
}

FlowLevel *flow_level_new(FlowLevels *levels, const char *name, const char *uid)
{
  FlowLevel *level = g_new0(FlowLevel, 1);
  g_atomic_ref_count_init(&level->references);
  level->levels = levels;
  level->name = g_strdup(name);
  level->uid = g_strdup(uid);
  level->queues = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
  level->counts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, counts_free);
  return level;
}

FlowLevel *flow_level_ref(FlowLevel *level)
{
  g_atomic_ref_count_inc(&level->references);
  return level;
}

void flow_level_unref(FlowLevel *level)
{
  if (!level || !g_atomic_ref_count_dec(&level->references))
    return;
  g_hash_table_unref(level->queues);
  g_hash_table_unref(level->counts);
  g_free(level->name);
  g_free(level->uid);
  g_free(level);
}

/* --- seats; all with the lock held ---------------------------------------------------------------------------------
 */

static unsigned beyond(unsigned a, unsigned b)
{
  return a > b ? a - b : 0;
}

/* Seats that the others would lend to LEVEL now. */
static unsigned idle_seats(const FlowLevel *level)
{
  const GPtrArray *all = level->levels->current;
  unsigned idle = 0, borrowed = 0;
  for (guint i = 0; i < all->len; i++) {
    const FlowLevel *other = all->pdata[i];
    borrowed += other->limits.exempt ? 0 : beyond(other->used, other->limits.nominal);
    if (other != level && !other->limits.exempt)
      idle += MIN(other->limits.lendable, beyond(other->limits.nominal, other->used));
  }
  return beyond(idle, borrowed);
}

unsigned flow_level_limit(const FlowLevel *level)
{
  const FlowLimits *limits = &level->limits;
  return limits->nominal + MIN(limits->borrowing, beyond(level->used, limits->nominal) + idle_seats(level));
}

static bool has_room(const FlowLevel *level, unsigned seats)
{
  const FlowLimits *limits = &level->limits;
  if (limits->exempt || (level->used == 0 && limits->nominal > 0))
    return true;
  unsigned more = beyond(level->used + seats, limits->nominal);
  return more == 0 || (limits->nominal > 0 && more <= limits->borrowing && idle_seats(level) >= seats);
}

static void count_wait(FlowCounts *counts, double seconds)
{
  static const double bounds[FLOW_WAIT_BUCKETS] = { 0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30 };
  unsigned i = 0;
  while (i < FLOW_WAIT_BUCKETS && seconds > bounds[i])
    i++;
  counts->waits[i]++;
  counts->waited += seconds;
}

static void sit_down(FlowTicket *ticket, double waited)
{
  FlowLevel *level = ticket->level;
  ticket->seated = true;
  level->used += ticket->seats;
  ticket->counts->executing++;
  ticket->counts->dispatched++;
  count_wait(ticket->counts, waited);
}

/* --- queues; all with the lock held --------------------------------------------------------------------------------
 */

static unsigned length_of(const FlowLevel *level, unsigned index)
{
  const FlowQueue *queue = g_hash_table_lookup(level->queues, GUINT_TO_POINTER(index));
  return queue ? queue->tickets.length : 0;
}

static guint64 hash_of(const char *schema, const char *flow)
{
  guint8 digest[32];
  gsize length = sizeof digest;
  guint64 hash;
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, (const guchar *)schema, (gssize)strlen(schema) + 1);
  g_checksum_update(checksum, (const guchar *)flow, -1);
  g_checksum_get_digest(checksum, digest, &length);
  memcpy(&hash, digest, sizeof hash);
  return hash;
}

/* Deals the flow with HASH its hand of queues, all different, and picks the shortest. */
static unsigned pick_queue(const FlowLevel *level, guint64 hash)
{
  const FlowLimits *limits = &level->limits;
  unsigned hand[FLOW_HAND_MAX], best = 0, shortest = G_MAXUINT;
  unsigned n_hand = MIN(MIN(limits->hand, FLOW_HAND_MAX), limits->queues);
  for (unsigned i = 0; i < n_hand; i++) {
    unsigned card = (unsigned)(hash % (limits->queues - i)), at = 0;
    hash /= limits->queues - i;
    /* the card-th of those not dealt; HAND is kept in order */
    while (at < i && hand[at] <= card) {
      card++;
      at++;
    }
    memmove(hand + at + 1, hand + at, (i - at) * sizeof *hand);
    hand[at] = card;
    if (length_of(level, card) < shortest) {
      shortest = length_of(level, card);
      best = card;
    }
  }
  return best;
}

static bool stand_in(FlowTicket *ticket, const char *flow)
{
  FlowLevel *level = ticket->level;
  FlowLevels *levels = level->levels;
  unsigned index = pick_queue(level, hash_of(ticket->counts->schema, flow));
  if (length_of(level, index) >= level->limits.per_queue || levels->waiting.length >= FLOW_WAITING_MAX)
    return false;
  FlowQueue *queue = g_hash_table_lookup(level->queues, GUINT_TO_POINTER(index));
  if (!queue) {
    queue = g_new0(FlowQueue, 1);
    queue->index = index;
    queue->start = level->now;
    g_hash_table_insert(level->queues, GUINT_TO_POINTER(index), queue);
  }
  ticket->queue = queue;
  ticket->since = g_get_monotonic_time();
  ticket->in_queue.data = ticket->in_all.data = ticket;
  g_queue_push_tail_link(&queue->tickets, &ticket->in_queue);
  g_queue_push_tail_link(&levels->waiting, &ticket->in_all);
  ticket->counts->waiting++;
  return true;
}

/* Takes TICKET out of its queue. */
static void step_out(FlowTicket *ticket)
{
  FlowLevel *level = ticket->level;
  FlowQueue *queue = g_steal_pointer(&ticket->queue);
  g_queue_unlink(&queue->tickets, &ticket->in_queue);
  g_queue_unlink(&level->levels->waiting, &ticket->in_all);
  ticket->counts->waiting--;
  if (queue->tickets.length == 0)
    g_hash_table_remove(level->queues, GUINT_TO_POINTER(queue->index));
}

static double waited(const FlowTicket *ticket)
{
  return (double)(g_get_monotonic_time() - ticket->since) / G_USEC_PER_SEC;
}

/* Whose turn it is in LEVEL; NULL: nobody waits. */
static FlowTicket *next_of(const FlowLevel *level)
{
  GHashTableIter iterator;
  void *value;
  const FlowQueue *next = NULL;
  g_hash_table_iter_init(&iterator, level->queues);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    const FlowQueue *queue = value;
    if (!next || queue->start < next->start || (queue->start == next->start && queue->index < next->index))
      next = queue;
  }
  return next ? next->tickets.head->data : NULL;
}

/* Adds to RUNNING those of LEVEL who have a seat now. */
static void serve(FlowLevel *level, GPtrArray *running)
{
  FlowTicket *ticket;
  while ((ticket = next_of(level)) && has_room(level, ticket->seats)) {
    FlowQueue *queue = ticket->queue;
    level->now = queue->start;
    queue->start += ticket->seats;
    step_out(ticket);
    sit_down(ticket, waited(ticket));
    g_ptr_array_add(running, ticket);
  }
}

/* Gives up the lock; those who got a seat go on. */
static void serve_and_unlock(FlowLevels *levels)
{
  g_autoptr(GPtrArray) running = g_ptr_array_new();
  for (guint i = 0; levels->waiting.length > 0 && i < levels->current->len; i++)
    serve(levels->current->pdata[i], running);
  g_mutex_unlock(&levels->lock);
  for (guint i = 0; i < running->len; i++) {
    FlowTicket *ticket = running->pdata[i];
    ticket->resume(true, ticket->data);
  }
}

/* --- time ----------------------------------------------------------------------------------------------------------
 */

/* Takes out those who have waited until NOW, or everybody. */
static void refuse_late(FlowLevels *levels, gint64 now, GPtrArray *late)
{
  while (levels->waiting.length > 0) {
    FlowTicket *ticket = levels->waiting.head->data;
    if (!levels->closed && ticket->since + levels->wait_us > now)
      return;
    step_out(ticket);
    ticket->counts->timed_out++;
    g_ptr_array_add(late, ticket);
  }
}

static void *watch_clock(void *data)
{
  FlowLevels *levels = data;
  g_mutex_lock(&levels->lock);
  while (!levels->closed || levels->waiting.length > 0) {
    g_autoptr(GPtrArray) late = g_ptr_array_new();
    refuse_late(levels, g_get_monotonic_time(), late);
    if (late->len > 0) {
      g_mutex_unlock(&levels->lock);
      for (guint i = 0; i < late->len; i++) {
        FlowTicket *ticket = late->pdata[i];
        ticket->resume(false, ticket->data);
      }
      g_mutex_lock(&levels->lock);
    } else if (levels->waiting.length > 0) {
      const FlowTicket *first = levels->waiting.head->data;
      g_cond_wait_until(&levels->changed, &levels->lock, first->since + levels->wait_us);
    } else {
      g_cond_wait(&levels->changed, &levels->lock);
    }
  }
  g_mutex_unlock(&levels->lock);
  return NULL;
}

/* With the lock held, after somebody began to wait. */
static void keep_time(FlowLevels *levels)
{
  if (!levels->clock)
    levels->clock = g_thread_new("flow", watch_clock, levels);
  else if (levels->waiting.length == 1)
    g_cond_signal(&levels->changed);
}

void flow_levels_close(FlowLevels *levels)
{
  g_mutex_lock(&levels->lock);
  levels->closed = true;
  GThread *clock = g_steal_pointer(&levels->clock);
  g_cond_signal(&levels->changed);
  g_mutex_unlock(&levels->lock);
  if (clock)
    g_thread_join(clock);
}

/* --- coming and going ----------------------------------------------------------------------------------------------
 */

void flow_levels_set(FlowLevels *levels, GPtrArray *current, const FlowLimits *limits)
{
  g_mutex_lock(&levels->lock);
  g_autoptr(GPtrArray) before = g_steal_pointer(&levels->current);
  levels->current = current;
  for (guint i = 0; i < current->len; i++)
    ((FlowLevel *)current->pdata[i])->limits = limits[i];
  /* who waits in a level that is no more is not held up for its sake */
  for (guint i = 0; i < before->len; i++)
    if (!g_ptr_array_find(current, before->pdata[i], NULL)) {
      FlowLevel *gone = before->pdata[i];
      gone->limits = (FlowLimits){ .exempt = true };
      if (levels->waiting.length > 0)
        g_ptr_array_add(current, flow_level_ref(gone));
    }
  serve_and_unlock(levels);
}

static FlowCounts *counts_of(FlowLevel *level, const char *schema)
{
  if (g_hash_table_size(level->counts) >= FLOW_COUNTS_MAX && !g_hash_table_contains(level->counts, schema))
    schema = "other";
  FlowCounts *counts = g_hash_table_lookup(level->counts, schema);
  if (!counts) {
    counts = g_new0(FlowCounts, 1);
    counts->schema = g_strdup(schema);
    g_hash_table_insert(level->counts, counts->schema, counts);
  }
  return counts;
}

FlowVerdict flow_level_enter(FlowTicket *ticket, const char *schema, const char *flow)
{
  FlowLevel *level = ticket->level;
  FlowLevels *levels = level->levels;
  g_mutex_lock(&levels->lock);
  /* upstream's: no single request gets more than this of its level */
  unsigned most = MAX(1u, (unsigned)(0.15 * level->limits.nominal));
  ticket->counts = counts_of(level, schema);
  ticket->seats = MAX(1u, MIN(ticket->seats, most));
  FlowVerdict verdict = FLOW_REFUSED;
  if (g_hash_table_size(level->queues) == 0 && has_room(level, ticket->seats)) {
    sit_down(ticket, 0);
    verdict = FLOW_RUNS;
  } else if (level->limits.queues == 0) {
    ticket->counts->limited++;
  } else if (levels->closed || !stand_in(ticket, flow)) {
    ticket->counts->full++;
  } else {
    keep_time(levels);
    verdict = FLOW_WAITS;
  }
  g_mutex_unlock(&levels->lock);
  return verdict;
}

void flow_level_leave(FlowTicket *ticket)
{
  FlowLevel *level = ticket->level;
  FlowLevels *levels = level->levels;
  g_mutex_lock(&levels->lock);
  level->used -= ticket->away ? 0 : ticket->seats;
  ticket->counts->executing--;
  serve_and_unlock(levels);
}

void flow_control_away(FlowTicket *ticket, bool away)
{
  FlowLevel *level = ticket->level;
  if (!level)
    return;
  g_mutex_lock(&level->levels->lock);
  if (away && ticket->away++ == 0)
    level->used -= ticket->seats;
  else if (!away && --ticket->away == 0)
    level->used += ticket->seats;
  serve_and_unlock(level->levels);
}
