#pragma once
/*
 * How to make a layer's tar again, byte for byte, from the folder it was unpacked into: everything of it but the
 * content of its files, in order. Lies beside the folder, compressed. An image that is saved keeps its digests by that.
 *
 * Records, one after the other: 'R', 8 bytes of length (little endian), that many bytes of the tar; or 'F', 8 bytes of
 * length, 2 bytes of the path's length, the path: that many bytes are the content of the file.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LayerRecipe LayerRecipe;

/* Begins the file PATH. REASON_FILE, REASON_INSUFFICIENT_STORAGE. */
LayerRecipe *layer_recipe_new(const char *path, GError **error);

/* Also ends it, without a word when that fails. */
void layer_recipe_free(LayerRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LayerRecipe, layer_recipe_free)

/* The next LENGTH bytes of the tar were read. */
void layer_recipe_feed(LayerRecipe *recipe, const void *data, size_t length);

/* The tar is understood up to POSITION: what came before and is no file's content is to be kept. */
bool layer_recipe_keep(LayerRecipe *recipe, int64_t position, GError **error);

/* The LENGTH bytes from POSITION, up to which it was kept, are the content of the file PATH. */
bool layer_recipe_file(LayerRecipe *recipe, int64_t length, const char *path, GError **error);

/* The tar has ended. */
bool layer_recipe_finish(LayerRecipe *recipe, GError **error);

/* Bytes of the tar the recipe at PATH makes. -1 with REASON_RUNTIME_NOT_FOUND when there is none, REASON_FILE. */
int64_t layer_recipe_size(const char *path, GError **error);

/* Takes LENGTH bytes; false ends it all. */
typedef bool (*LayerWrite)(void *user, const void *data, size_t length, GError **error);

/* Gives WRITE the tar the recipe at PATH makes of FOLDER. REASON_FILE, REASON_CONFIG when they do not belong together.
 */
bool layer_recipe_replay(const char *path, const char *folder, LayerWrite write, void *user, GError **error);
