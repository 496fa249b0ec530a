#pragma once
/* PEM of certificate requests, in base64 as a CertificateSigningRequest holds it. Their keys are not kept. */

#define REQUEST_OF_MASTERS                                                                                             \
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaU1JR0pBZ0VBTUNjeEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRw"               \
  "dFlYTjBaWEp6TVF3d0NnWURWUVFEREFObApkbVV3V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVFmbVpPeUhQSUhU"               \
  "OFJuNW1wNDN4UU5RNE1YCkI3Z21NWFJGQzQwWmV2TytkV2xJNkVpVk04eDdPL3g0Q0R3aFhhY1Njd214bUdxOU9iSTRMaUFBWEZI"               \
  "Rm9BQXcKQ2dZSUtvWkl6ajBFQXdJRFNBQXdSUUlnTGNOc0pSb3pYUlV2OVVaazZML1UvQkxyZWtqK2xhcU5UV0NiaUdOawpyRndD"               \
  "SVFEc0IvbTgxSXIvb25ScVJJYmFDUW1XQTNqQ2gvOWpocThaUUxvdDR6ZXYxZz09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVF"               \
  "U1QtLS0tLQo="

#define REQUEST_OF_DEVELOPER                                                                                           \
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIV01INENBUUF3SERFTU1Bb0dBMVVFQ2d3RFpHVjJNUXd3Q2dZ"               \
  "RFZRUUREQU5oYm00d1dUQVRCZ2NxaGtqTwpQUUlCQmdncWhrak9QUU1CQndOQ0FBUkNoRXdGT09OU2d2aHdXZERMVjVaSGxmdE4v"               \
  "QmpGbFUzL1JqL1VRVE45Cjcwb2s3MG9kbFh1SmkyK01VeVJkVWd3ZTZIeWpnL0RyZDRCOG82bTZnWU1pb0FBd0NnWUlLb1pJemow"               \
  "RUF3SUQKU0FBd1JRSWdIMnIwUGJRMmx2Z2pGSHJydjZLemZnS1ZkTUdVTWh5M0tsZnY4Lzd2YVlNQ0lRRGNZWGhGK3JPYQpjdmdS"               \
  "TjM0T3FLeDZ1U3Z3ZS9TbGgzOWhLZGNjR3E1UlBBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="
