#pragma once
/* Tests of test-runtime.c that are about docker alone. */
void docker_test_names(void);
void docker_test_pause_image(void);
void docker_test_preload(void);
void docker_test_daemon_killed(void);
void docker_test_daemons_restarted(void);
