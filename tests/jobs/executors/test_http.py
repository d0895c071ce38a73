"""HTTP jobs, against a real server on this machine."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils.translation import override

from jobs.executors.base import ExecutorError
from jobs.executors.http import exit_code_of
from jobs.states import ReasonCode
from portal.lib import http
from tests.jobs.executors.contexts import run


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/to/"):
            return self._answer(302, location=self.path.removeprefix("/to/"))
        if self.path == "/loop":
            return self._answer(302, location="/loop")
        if self.path == "/drip":
            return self._drip()
        if self.path == "/big":
            return self._answer(200, b"x" * (2 * 1024 * 1024))
        if self.path.startswith("/status/"):
            return self._answer(int(self.path.removeprefix("/status/")))
        seen = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        return self._answer(200, f"{self.command} {self.path}\n{seen}".encode() + self._body())

    do_POST = do_GET

    def _body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _count in range(100):
                self.wfile.write(b".")
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.PORTAL_HTTP_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with override("en"):
        yield


def call(url, tmp_path, **params):
    changes = params.pop("changes", {})
    return run("http", {"url": url, **params}, tmp_path, **changes)


def test_good_answer_succeeds_and_is_kept(server, tmp_path):
    outcome, log = call(server + "/hello", tmp_path)
    assert (outcome.exit_code, outcome.outputs, outcome.result["status"]) == (0, {"status": "200"}, 200)
    assert "GET /hello" in outcome.result["body"]
    assert "200 OK" in log


@pytest.mark.parametrize(
    ("status", "code"), [(404, 1), (422, 1), (408, 2), (425, 2), (429, 2), (500, 2), (503, 2), (304, 2)]
)
def test_status_decides_between_business_and_technical(server, tmp_path, status, code):
    assert call(f"{server}/status/{status}", tmp_path)[0].exit_code == code
    assert exit_code_of(status) == code


def test_expected_statuses_replace_the_usual_ones(server, tmp_path):
    assert call(server + "/status/404", tmp_path, expected=["404"])[0].exit_code == 0
    assert call(server + "/status/200", tmp_path, expected=["300-399"])[0].exit_code == 1


def test_missing_text_is_a_business_failure(server, tmp_path):
    assert call(server, tmp_path, expect_text="GET /")[0].exit_code == 0
    outcome, _log = call(server, tmp_path, expect_text="all systems go")
    assert (outcome.exit_code, outcome.reason_code) == (1, ReasonCode.BUSINESS)


def test_secrets_and_parameters_are_filled_in_and_secrets_are_not_kept(server, tmp_path):
    outcome, log = call(
        server + "/?day=${param:day}&key=${secret:API_KEY}",
        tmp_path,
        method="POST",
        headers={"Authorization": "Bearer ${secret:API_KEY}"},
        json_body={"key": "${secret:API_KEY}", "n": [1, "${param:day}"]},
        changes={"environment": {"API_KEY": "hush hush&"}, "run_params": {"day": "2026/01"}},
    )
    assert "day=2026%2F01&key=••••••" in outcome.result["body"]
    assert '"n": [1, "2026/01"]' in outcome.result["body"]
    assert "hush" not in outcome.result["body"] + log
    assert "hush" not in outcome.result["url"]


def test_secret_that_is_not_there_is_a_sentence(server, tmp_path):
    with pytest.raises(ExecutorError, match="not available to this run"):
        call(server + "/${secret:NOPE}", tmp_path)


def test_secret_with_a_line_break_can_not_add_a_header(server, tmp_path):
    with pytest.raises(ExecutorError, match="one line of text"):
        call(server, tmp_path, headers={"X-Key": "${secret:K}"}, changes={"environment": {"K": "a\r\nX-Evil: 1"}})


def test_big_answer_is_cut(server, tmp_path):
    outcome, _log = call(server + "/big", tmp_path)
    assert outcome.result["is_truncated"]
    assert len(outcome.result["body"]) <= 4000


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.2:80/", "internal address"),
        ("http://10.0.0.1/", "internal address"),
        ("http://100.64.0.1/", "internal address"),
        ("http://169.254.169.254/latest/meta-data/", "internal address"),
        ("http://[::ffff:10.0.0.1]/", "internal address"),
        ("http://[64:ff9b::a00:1]/", "internal address"),
        ("http://[fe80::1]/", "internal address"),
        ("http://0.0.0.0/", "internal address"),
        ("http://2130706434/", "internal address"),
        ("http://no-such-host.invalid/", "was not found"),
        ("http://127.0.0.1:1/", "refused the connection"),
    ],
)
def test_address_that_may_not_or_can_not_be_reached(tmp_path, url, words):
    with pytest.raises(ExecutorError, match=words):
        call(url, tmp_path)


def test_redirect_to_an_internal_address_is_refused(server, tmp_path):
    with pytest.raises(ExecutorError, match="internal address"):
        call(server + "/to/http://127.0.0.2/", tmp_path)


def test_redirect_is_followed_and_headers_stay_on_their_host(server, tmp_path):
    port = server.rpartition(":")[2]
    here, _log = call(f"{server}/to/{server}/end", tmp_path, headers={"X-Token": "abc"})
    elsewhere, _log = call(f"{server}/to/http://localhost:{port}/end", tmp_path, headers={"X-Token": "abc"})
    assert "abc" in here.result["body"]
    assert here.result["redirect_count"] == 1
    assert "GET /end" in elsewhere.result["body"]
    assert "abc" not in elsewhere.result["body"]


def test_endless_redirect_ends(server, tmp_path):
    with pytest.raises(ExecutorError, match="more than 5 times"):
        call(server + "/loop", tmp_path)


def test_slow_answer_ends_at_the_time_limit(server, tmp_path):
    started = time.monotonic()
    with pytest.raises(ExecutorError, match=r"within 0\.5 seconds"):
        call(server + "/drip", tmp_path, timeout=0.5)
    assert time.monotonic() - started < 3


def test_time_limit_of_the_job_is_a_timeout(server, tmp_path):
    assert call(server + "/drip", tmp_path, changes={"timeout": 0.5})[0].end == "timeout"


def test_cancel_ends_a_waiting_request(server, tmp_path):
    timers = []

    def on_cancel(callback):
        timers.append(threading.Timer(0.3, callback))
        timers[0].start()

    started = time.monotonic()
    assert call(server + "/drip", tmp_path, changes={"on_cancel": on_cancel})[0].end == "cancelled"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("url", ["ftp://x/", "//x/", "x", "http://", "http://u:p@x/", "http://[::1", "javascript:1"])
def test_bad_address_is_refused_at_save(url):
    assert http.url_problem(url)


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("a b", "x"), ("Host", "x"), ("X", "a\nb"), ("X:", "a")])
def test_bad_header_is_refused_at_save(name, value):
    assert http.header_problem(name, value)


def test_environment_proxy_is_not_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert call(server, tmp_path)[0].exit_code == 0


def test_host_that_changes_its_address_after_the_check_gains_nothing(server, tmp_path, monkeypatch):
    """The name is resolved once, and the checked address is the one connected to."""
    import socket

    real, asked = socket.getaddrinfo, []

    def flipping(host, *args, **kwargs):
        if host != "rebind.test":
            return real(host, *args, **kwargs)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", flipping)
    outcome, _log = call(server.replace("127.0.0.1", "rebind.test") + "/x", tmp_path)
    assert "rebind.test" in outcome.result["body"]
    assert asked == ["rebind.test"]
