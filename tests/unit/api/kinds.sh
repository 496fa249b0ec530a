#!/bin/sh
# The *.kinds files against the recorded facts of upstream's API, and that they describe what users write.
exec python3 "${G_TEST_SRCDIR:-.}/tests/unit/api/kinds.py" "${G_TEST_SRCDIR:-.}" "${LAUNCHER_REFERENCE:-}"
