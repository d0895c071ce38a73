"""What screens of alerts read across tables."""

from alerts.queries.rules import RuleFinding, latest_checks, open_rows, rule_findings

__all__ = ["RuleFinding", "latest_checks", "open_rows", "rule_findings"]
