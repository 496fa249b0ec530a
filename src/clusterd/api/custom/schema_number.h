#pragma once
/* Numbers as schemas compare and show them. For the files schema_*.c alone. */
#include <jansson.h>
#include <stdbool.h>

/* True when NUMBER is beyond LIMIT: above it when UPPER, else below it; at it too when EXCLUSIVE. */
bool schema_number_exceeds(double number, double limit, bool upper, bool exclusive);

/* NUMBER as upstream shows it: a whole number plainly when AS_INTEGER, else as Go's %v has it ("0.5", "1e+06"). The
 * caller frees. */
char *schema_number_text(double number, bool as_integer);
