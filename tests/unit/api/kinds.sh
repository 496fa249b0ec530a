#!/bin/sh
# The *.kinds files against the recorded facts of upstream's API.
exec python3 "${G_TEST_SRCDIR:-.}/tests/unit/api/kinds.py" "${G_TEST_SRCDIR:-.}" "${LAUNCHER_REFERENCE:-}"
