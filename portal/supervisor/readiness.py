"""Asks the started portal whether it is ready."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any


def failing_parts(host: str, port: int) -> list[str]:
    """The parts of /readyz that are not fine yet; "web" while nothing answers; empty when all is well."""
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException):
        return ["web"]
    finally:
        connection.close()
    try:
        parts: dict[str, Any] = json.loads(body)["parts"]
    except (ValueError, KeyError, TypeError):
        return ["web"]
    return [name for name, part in parts.items() if not part["ok"]]
