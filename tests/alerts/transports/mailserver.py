"""A mail server of the tests' own: scripted replies by command, and the mail it took."""

from __future__ import annotations

import socket
import ssl
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


class MailServer:
    """`replies` maps a command to a reply: "RCPT", "RCPT <a@b.c>", "DATA", "END" (the message), "220" (the greeting).

    "hang" as a reply: silence; "drip": a reply without end, one letter at a time; "endless": lines without end;
    "drop": the connection is closed; "partial 25": it is closed after these letters.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.replies: dict[str, str] = {}
        self.lines: list[str] = []
        self.mails: list[EmailMessage] = []
        self.context = context
        self.released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._talk(connection)
        except OSError:
            pass

    def _talk(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        if not self._reply(connection, self.replies.get("220", "220 test")):
            return
        while line := file.readline():
            text = line.decode("utf-8", "replace").strip()
            self.lines.append(text)
            verb = text[:4].upper()
            if verb == "STAR" and self.context is not None:
                connection.sendall(b"220 go\r\n")
                connection = self.context.wrap_socket(connection, server_side=True)
                file = connection.makefile("rb")
                continue
            if not self._answer(connection, file, verb, text):
                return

    def _answer(self, connection: socket.socket, file, verb: str, text: str) -> bool:
        address = text.partition(":")[2].split(" ")[0]
        scripted = self.replies.get(f"{verb} {address}") or self.replies.get(verb)
        if verb == "DATA" and scripted is None:
            return self._take(connection, file)
        usual = {"EHLO": self._abilities(), "QUIT": "221 bye", "AUTH": "235 welcome"}
        return self._reply(connection, scripted or usual.get(verb, "250 OK")) and verb != "QUIT"

    def _abilities(self) -> str:
        return "250-test\r\n250-AUTH PLAIN\r\n250 STARTTLS" if self.context else "250-test\r\n250 AUTH PLAIN"

    def _take(self, connection: socket.socket, file) -> bool:
        connection.sendall(b"354 go\r\n")
        lines = []
        while (line := file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        scripted = self.replies.get("END")
        if scripted is None or scripted.startswith("250") or scripted in ("drop after", "hang after"):
            self.mails.append(message_from_bytes(b"".join(lines), policy=default))
        return self._reply(connection, scripted or "250 taken")

    def _reply(self, connection: socket.socket, reply: str) -> bool:
        """Whether the conversation goes on."""
        pieces = {"drip": (b"2", 600), "endless": (b"250-more\r\n" * 1000, 100_000)}
        if reply.startswith("hang"):
            self.released.wait(30)
        elif reply in pieces:
            piece, count = pieces[reply]
            self._pour(connection, piece, count, pause=0.05 if reply == "drip" else 0)
        elif reply.startswith("partial "):
            connection.sendall(reply.removeprefix("partial ").encode())
        elif not reply.startswith("drop"):
            connection.sendall(f"{reply}\r\n".encode())
            return True
        return False

    def _pour(self, connection: socket.socket, piece: bytes, count: int, *, pause: float) -> None:
        for _each in range(count):
            if self.released.wait(pause):
                return
            connection.sendall(piece)
