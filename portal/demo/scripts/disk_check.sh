#!/usr/bin/env bash
# Is there room on the disk of the work folder?
#
# Exit codes: 0 all is well; 1 business failure: an answer that somebody should act on, never retried;
# 2 and everything else: technical failure, retried as the job says.
set -euo pipefail

limit="${DISK_LIMIT:-95}"   # per cent; set it in the job's environment

echo "Folder: $PWD"
df -hP . | sed 's/^/  /'

used="$(df -P . | awk 'NR == 2 { sub("%", "", $5); print $5 }')"
echo "used_percent=$used" >> "$PORTAL_OUTPUT"

if [ "$used" -ge "$limit" ]; then
    echo "The disk is $used % full; the limit is $limit %." >&2
    exit 1
fi
echo "The disk is $used % full: fine."
