"""Why a job ran, waits, did not run or was tried again: one engine for every page, command and answer.

`explain_run(run)` and `explain(job, moment)` give an ordered list of checks, each passed, failed, unknown or not
applicable, with one sentence and the place where it is put right, under a headline.
"""

from jobs.why.jobs_at import explain
from jobs.why.moments import default_moment
from jobs.why.runs import explain_run
from jobs.why.verdict import Check, Explanation, Fix, Mark, Part, Place

__all__ = ["Check", "Explanation", "Fix", "Mark", "Part", "Place", "default_moment", "explain", "explain_run"]
