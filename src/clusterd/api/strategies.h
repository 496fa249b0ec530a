#pragma once
/* The rules of kinds and messages that are code: what the *.kinds files name by `strategy`, `defaults()` and
 * `validate()`. Each lives in the strategy_*.c of its area. */
#include "clusterd/api/kind.h"
