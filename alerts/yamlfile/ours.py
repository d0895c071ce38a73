"""The sections of alerts, in the order in which they need each other. They come behind those of jobs."""

from __future__ import annotations

from alerts.yamlfile import channels, escalations, notices, rotas, rules

OURS = (channels.SECTION, rotas.SECTION, escalations.SECTION, rules.SECTION, notices.SECTION)
