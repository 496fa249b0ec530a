#pragma once
/* The control groups of a pod, above those of its containers. */

/* Takes the group PATH ("/kubepods/burstable/podUID") and what is empty below it out of every hierarchy. What still has
 * processes stays. */
void pod_cgroup_remove(const char *path);
