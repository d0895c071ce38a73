"""What definitions files say of alerts: channels, rotas, escalation policies, alert rules, notification rules."""
