"""How long history is kept, and what deletes the rest.

`policy` says how long (settings, tenant, job), `horizon` turns a time into an id, `rows` deletes a batch,
`rounds` is one round of the pruner, `leftovers` clears what no history needs any more.
"""

from jobs.retention.policy import Keep, keep_for, keeps_of_jobs
from jobs.retention.rounds import Limits, Report, latest_report, prune, tend, would_delete

__all__ = ["Keep", "Limits", "Report", "keep_for", "keeps_of_jobs", "latest_report", "prune", "tend", "would_delete"]
