"""Servers and messages of these tests."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from tests.alerts.transports.mailserver import MailServer
from tests.alerts.transports.webserver import WebServer


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with override("en"):
        yield


@pytest.fixture
def web():
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def mail():
    server = MailServer()
    yield server
    server.close()
