#pragma once
/* The links of an HTML page that is shown below another path than its server thinks. */
#include <glib.h>

/* LENGTH bytes of TEXT with every URL in an attribute that is one (href of a, src of img, …) replaced by what REWRITE
 * makes of it (the caller of REWRITE frees). Everything else stays byte for byte; what is no HTML stays, too. The
 * caller frees the result. */
GByteArray *html_rewrite_links(const char *text, gsize length, char *(*rewrite)(const char *url, void *data),
                               void *data);
