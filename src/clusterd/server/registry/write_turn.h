#pragma once
/*
 * Turns of those who write one object over and over until they win. Whoever has lost once queues up, and while somebody
 * queues nobody starts before him: so no writer loses every time. A turn is a courtesy, no lock: after
 * WRITE_TURN_SECONDS a writer goes on without one, as one must whose turn is waited for by what he waits for.
 */
#include "clusterd/server/registry/registry.h"

#define WRITE_TURN_SECONDS 1

typedef struct WriteTurns WriteTurns;
WriteTurns *write_turns_new(void);
void write_turns_free(WriteTurns *turns);

/* One writer's. */
typedef struct WriteTurn {
  WriteTurns *turns;
  char *key;
  bool held;
} WriteTurn;

/* Before the first attempt to write TARGET: waits when others queue for it. */
void write_turn_begin(WriteTurn *turn, Registry *registry, const Target *target);
/* After an attempt that was lost: waits for the writer's turn, if it has it not. */
void write_turn_lost(WriteTurn *turn);
/* The writer has ended. */
void write_turn_clear(WriteTurn *turn);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WriteTurn, write_turn_clear)
