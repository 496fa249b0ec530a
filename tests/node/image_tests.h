#pragma once
/* Tests of test-runtime.c that are about images, of all runtimes. */
void image_test_volume(void);
void image_test_collection(void);
