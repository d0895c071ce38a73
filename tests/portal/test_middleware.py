"""A ledger that is away: 503 with Retry-After, wherever in a request it is noticed."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client


class FailingMiddleware:
    """Stands where the session, the user and the tenant are read."""

    error: Exception = OperationalError("gone")

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise self.error


@pytest.fixture
def client(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.FailingMiddleware"]
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("connection already closed")])
def test_a_middleware_that_finds_no_database_answers_503(client, monkeypatch, error):
    monkeypatch.setattr(FailingMiddleware, "error", error)
    answer = client.get("/admin/login/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"database" in answer.content


def test_another_failure_stays_a_500(client, monkeypatch):
    monkeypatch.setattr(FailingMiddleware, "error", ValueError("ours"))
    answer = client.get("/admin/login/")
    assert answer.status_code == 500
    assert "Retry-After" not in answer
