#!/bin/sh
# Finds a Python that can make a virtual environment and starts scripts/setup.py with it.
# A name on PATH proves nothing (it may be a version manager's shim), so each candidate is asked.
venv="${VENV:-.venv}"
here="${0%/*}"
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$venv/bin/python" "$here/setup.py" "$@"
fi
half=""
for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3 "${SYSTEM_PYTHON:-/usr/bin/python3}"; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
        exec "$name" "$here/setup.py" "$@"
    fi
    half="$name"
done
if [ -n "$half" ]; then
    echo "$half can't create a virtual environment: its venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2
else
    echo "Python 3.11 or newer was not found. Install it (Debian: apt-get install python3 python3-venv), or name one: PYTHON=/path/to/python3 make run" >&2
fi
exit 1
