#pragma once
/* Sets of completion indexes as the status and policies of jobs write them: "1,3-5,7". Pure.
 * Source: k8s.io/kubernetes pkg/controller/job/indexed_job_utils.go. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Both ends are members. */
typedef struct JobRange {
  int64_t first, last;
} JobRange;

/* Ranges in order that neither overlap nor touch. */
typedef GArray JobIndexes;

JobIndexes *job_indexes_new(void);
JobIndexes *job_indexes_copy(const JobIndexes *indexes);
void job_indexes_free(JobIndexes *indexes);

/* The indexes below LIMIT that TEXT (NULL: none) names; what is malformed is passed over. */
JobIndexes *job_indexes_parse(const char *text, int64_t limit);

/* Two neighbours are "0,1", three "0-2". The caller frees. */
char *job_indexes_text(const JobIndexes *indexes);

void job_indexes_add(JobIndexes *indexes, int64_t first, int64_t last);
void job_indexes_add_all(JobIndexes *indexes, const JobIndexes *others);
bool job_indexes_has(const JobIndexes *indexes, int64_t index);
int64_t job_indexes_count(const JobIndexes *indexes);

/* How many are in both. */
int64_t job_indexes_count_common(const JobIndexes *a, const JobIndexes *b);
