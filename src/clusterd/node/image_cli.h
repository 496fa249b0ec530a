#pragma once
/* `clusterd image …`: the image store from the command line, beside a running daemon or without one. */

/* ARGV[0] is "image". load [FILE…] (or standard input), ls [-o json], rm REFERENCE…; --store DIR and --below DIR before
 * them. Results on stdout, errors on stderr. Returns the exit status. */
int image_cli_main(int argc, char **argv);
