/* The program of pause containers where a runtime wants an image for them: it has nothing to load, so that the image
 * holds nothing else. */
#include "clusterd/node/sandbox/pause.h"

int main(void)
{
  return pause_main();
}
