"""What a web server's process does beside answering."""

import os
import subprocess
import sys

from tests.source import ROOT

SCRIPT = """
import threading
import portal.wsgi
from jobs import bells
sent = []
bells._ringers[0]._send = lambda call: sent.append(threading.current_thread().name) or True
bells.ring("default")
while not sent:
    pass
print(sent[0])
"""


def test_a_request_does_not_wait_for_the_broker(tmp_path) -> None:
    environ = {**os.environ, "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "portal-ringer"
