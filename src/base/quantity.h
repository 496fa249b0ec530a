#pragma once
/* Kubernetes quantities ("500m", "1.5Gi", "2e3") and the launcher's memory sizes.
 * Source: k8s.io/apimachinery/pkg/api/resource, "Quantity" serialization format. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum QuantityFormat { QUANTITY_DECIMAL_SI, QUANTITY_BINARY_SI, QUANTITY_DECIMAL_EXPONENT } QuantityFormat;

/* A fixed-point number: nano units (1e-9). Range about ±1.7e29; values outside saturate as upstream's do. */
typedef struct Quantity {
  __int128 nano;
  QuantityFormat format;
} Quantity;

/* Parses TEXT. False with REASON_BAD_REQUEST (upstream's "quantities must match the regular expression …"). */
bool quantity_parse(const char *text, Quantity *quantity, GError **error);

/* Upstream's canonical text: no fraction, the largest suffix that keeps the value whole. The caller frees. */
char *quantity_text(Quantity quantity);

/* The value in whole units, rounded up; and in thousandths, rounded up (cpu in millicores). Saturating. */
int64_t quantity_value(Quantity quantity);
int64_t quantity_milli(Quantity quantity);

/* <0, 0, >0 as A is smaller than, equal to, larger than B. */
int quantity_compare(Quantity a, Quantity b);

/* A memory or disk size of the launcher's command line in MiB: a plain number is MiB, else units b, k, m, g with
 * optional "b" or "ib" ("2048", "4g", "20000mb"). False with REASON_USAGE naming FLAG, the value and what is allowed.
 */
bool quantity_parse_mebibytes(const char *flag, const char *text, int64_t *mebibytes, GError **error);
