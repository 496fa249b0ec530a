#include "folder.h"

#include "base/file.h"

void folder_set_up(FolderFixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp("folder-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->folder, "file", NULL);
}

void folder_tear_down(FolderFixture *fixture, gconstpointer data)
{
  file_remove_tree(fixture->folder, NULL);
  g_free(fixture->path);
  g_free(fixture->folder);
}
