"""Becomes another program that ends when its parent does: `python launch.py PARENT_PID program arguments…`.

Standard library only and run by path: it asks the kernel for SIGTERM at the parent's death (which survives
exec) and then execs, so that the supervisor needs no code between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
    except OSError as error:
        sys.exit(f"{sys.argv[2]} can't be started: {error.strerror}")


if __name__ == "__main__":
    main()
