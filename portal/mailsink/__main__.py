"""`python -m portal.mailsink PORT FOLDER`: keep mail until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from portal.mailsink.folder import MailFolder
from portal.mailsink.server import Sink


async def main(port: int, folder: Path) -> None:
    server = await Sink(MailFolder(folder), say=_say).serve(port)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _say(f"Mail to 127.0.0.1:{server.sockets[0].getsockname()[1]} is kept in {folder}.")
    await stopped.wait()
    server.close()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
    except OSError as error:
        sys.exit(f"Mail can't be taken: {error.strerror}.")
