#pragma once
/* What both ends prime their header compression with: a constant of the protocol, given there byte by byte (every name
 * with its length before it, then common values). Source: draft-mbelshe-httpbis-spdy-00 §2.6.10.1. */

/* clang-format off */
static const unsigned char spdy_dictionary[1423 + 1] =
  "\000\000\000\007" "options" "\000\000\000\004" "head" "\000\000\000\004" "post" "\000\000\000\003" "put"
  "\000\000\000\006" "delete" "\000\000\000\005" "trace" "\000\000\000\006" "accept"
  "\000\000\000\016" "accept-charset" "\000\000\000\017" "accept-encoding" "\000\000\000\017" "accept-language"
  "\000\000\000\015" "accept-ranges" "\000\000\000\003" "age" "\000\000\000\005" "allow"
  "\000\000\000\015" "authorization" "\000\000\000\015" "cache-control" "\000\000\000\012" "connection"
  "\000\000\000\014" "content-base" "\000\000\000\020" "content-encoding" "\000\000\000\020" "content-language"
  "\000\000\000\016" "content-length" "\000\000\000\020" "content-location" "\000\000\000\013" "content-md5"
  "\000\000\000\015" "content-range" "\000\000\000\014" "content-type" "\000\000\000\004" "date"
  "\000\000\000\004" "etag" "\000\000\000\006" "expect" "\000\000\000\007" "expires" "\000\000\000\004" "from"
  "\000\000\000\004" "host" "\000\000\000\010" "if-match" "\000\000\000\021" "if-modified-since"
  "\000\000\000\015" "if-none-match" "\000\000\000\010" "if-range" "\000\000\000\023" "if-unmodified-since"
  "\000\000\000\015" "last-modified" "\000\000\000\010" "location" "\000\000\000\014" "max-forwards"
  "\000\000\000\006" "pragma" "\000\000\000\022" "proxy-authenticate" "\000\000\000\023" "proxy-authorization"
  "\000\000\000\005" "range" "\000\000\000\007" "referer" "\000\000\000\013" "retry-after"
  "\000\000\000\006" "server" "\000\000\000\002" "te" "\000\000\000\007" "trailer"
  "\000\000\000\021" "transfer-encoding" "\000\000\000\007" "upgrade" "\000\000\000\012" "user-agent"
  "\000\000\000\004" "vary" "\000\000\000\003" "via" "\000\000\000\007" "warning"
  "\000\000\000\020" "www-authenticate" "\000\000\000\006" "method" "\000\000\000\003" "get"
  "\000\000\000\006" "status" "\000\000\000\006" "200 OK" "\000\000\000\007" "version"
  "\000\000\000\010" "HTTP/1.1" "\000\000\000\003" "url" "\000\000\000\006" "public"
  "\000\000\000\012" "set-cookie" "\000\000\000\012" "keep-alive" "\000\000\000\006" "origin"
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Au"
  "thoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidd"
  "en404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr Ma"
  "y Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,imag"
  "e/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicpri"
  "vatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
/* clang-format on */

enum { SPDY_DICTIONARY_LENGTH = sizeof spdy_dictionary - 1 };
