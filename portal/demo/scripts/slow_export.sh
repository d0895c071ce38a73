#!/usr/bin/env bash
# An export that never comes to an end. The job's timeout ends it: first TERM, then, after some seconds, KILL,
# for every process the script has started.
trap 'echo "Asked to stop; tidying up."; exit 143' TERM

for part in $(seq 1 600); do
    echo "Exporting part $part of 600 …"
    sleep 1 &
    wait $!
done
