#include "clusterd/server/registry/write_turn.h"

#include "clusterd/server/registry/registry_private.h"

/* Who waits; on his stack. */
typedef struct Waiter {
  GCond called;
  bool has_turn;
} Waiter;

struct WriteTurns {
  GMutex lock;
  GHashTable *lines; /* key → GQueue* of Waiter*, behind the one whose turn it is */
};

static void line_free(void *line)
{
  g_queue_free(line);
}

WriteTurns *write_turns_new(void)
{
  WriteTurns *turns = g_new0(WriteTurns, 1);
  g_mutex_init(&turns->lock);
  turns->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, line_free);
  return turns;
}

void write_turns_free(WriteTurns *turns)
{
  g_hash_table_unref(turns->lines);
  g_mutex_clear(&turns->lock);
  g_free(turns);
}

/* With the lock held: waits behind LINE. */
static void wait_in(WriteTurn *turn, GQueue *line)
{
  Waiter self = { .has_turn = false };
  gint64 until = g_get_monotonic_time() + WRITE_TURN_SECONDS * G_USEC_PER_SEC;
  bool waiting = true;
  g_cond_init(&self.called);
  g_queue_push_tail(line, &self);
  while (!self.has_turn && waiting)
    waiting = g_cond_wait_until(&self.called, &turn->turns->lock, until);
  if (!self.has_turn)
    g_queue_remove(line, &self); /* the one whose turn it is keeps the line alive */
  turn->held = self.has_turn;
  g_cond_clear(&self.called);
}

void write_turn_begin(WriteTurn *turn, Registry *registry, const Target *target)
{
  g_autofree char *prefix = registry_prefix(registry_storage(target->kind));
  g_autofree char *suffix = registry_suffix(target->namespace_, target->name);
  *turn = (WriteTurn){ .turns = registry->turns, .key = g_strconcat(prefix, suffix, NULL) };
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&turn->turns->lock);
  GQueue *line = g_hash_table_lookup(turn->turns->lines, turn->key);
  if (line)
    wait_in(turn, line);
}

void write_turn_lost(WriteTurn *turn)
{
  if (turn->held)
    return;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&turn->turns->lock);
  GQueue *line = g_hash_table_lookup(turn->turns->lines, turn->key);
  if (line) {
    wait_in(turn, line);
  } else {
    g_hash_table_insert(turn->turns->lines, g_strdup(turn->key), g_queue_new());
    turn->held = true;
  }
}

void write_turn_clear(WriteTurn *turn)
{
  if (turn->held) {
    g_autoptr(GMutexLocker) held = g_mutex_locker_new(&turn->turns->lock);
    GQueue *line = g_hash_table_lookup(turn->turns->lines, turn->key);
    Waiter *next = g_queue_pop_head(line);
    if (next) {
      next->has_turn = true;
      g_cond_signal(&next->called);
    } else {
      g_hash_table_remove(turn->turns->lines, turn->key);
    }
  }
  turn->held = false;
  g_clear_pointer(&turn->key, g_free);
}
