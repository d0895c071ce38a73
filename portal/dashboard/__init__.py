"""The home page: what happened today, what failed, what runs, what comes next, and the machinery."""

from portal.dashboard.home import dashboard_context

__all__ = ["dashboard_context"]
