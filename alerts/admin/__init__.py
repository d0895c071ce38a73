"""The screens of alerts."""

from alerts.admin.inbox_admin import InboxMessageAdmin

__all__ = ["InboxMessageAdmin"]
