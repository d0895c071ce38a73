#!/usr/bin/env bash
# Takes longer than the pause between two of its schedules: the second fire time finds it still running.
# What happens then is the job's overlap policy.
for shelf in 1 2 3 4 5 6 7 8; do
    echo "Counting shelf $shelf …"
    sleep 2
done
echo "shelves=8" >> "$PORTAL_OUTPUT"
