"""The kinds of jobs: one file per kind. Importing this package registers ours."""

from jobs.executors import http, python, shell, sql
from jobs.executors.base import KINDS

__all__ = ["KINDS", "http", "python", "shell", "sql"]
