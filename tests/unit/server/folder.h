#pragma once
/* A fixture: a folder of the test's own, and the path of a file in it that is not there yet. */
#include <glib.h>

typedef struct FolderFixture {
  char *folder, *path;
} FolderFixture;

void folder_set_up(FolderFixture *fixture, gconstpointer data);
void folder_tear_down(FolderFixture *fixture, gconstpointer data);
