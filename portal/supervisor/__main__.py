"""`python -m portal.supervisor`: what `manage.py up` turns into, without Django (80 MB) in a process that only watches.

The environment names the data folder (DATA_DIR); everything else is as `manage.py up` found it.
"""

import os
import sys
from pathlib import Path

from portal.supervisor.errors import StartError, sentence
from portal.supervisor.run import Supervisor

BASE_DIR = Path(__file__).resolve().parents[2]


def main() -> int:
    """The exit code; a start that fails is one sentence, as a management command says it."""
    supervisor = Supervisor(data_dir=Path(os.environ["DATA_DIR"]), base_dir=BASE_DIR, environ=os.environ, say=_say)
    try:
        return supervisor.run()
    except StartError as error:
        problem = str(error)
    except OSError as error:
        problem = sentence(error)
    print(f"CommandError: {problem}", file=sys.stderr, flush=True)
    return 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
