#!/bin/sh
exec python3 "${G_TEST_SRCDIR:-$(dirname "$0")/../..}/tests/store/backup.py"
