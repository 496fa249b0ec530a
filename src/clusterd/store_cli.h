#pragma once

/* `clusterd store …`: copies and checks of the store's file. Returns the exit code. */
int store_cli_main(int argc, char **argv);
