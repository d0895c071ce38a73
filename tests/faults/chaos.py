"""`make chaos MINUTES=10 [SEED=…] [LANE=…]`: a seeded random walk of faults over a working portal.

Three workers, two beats, a web server and a dozen jobs of every kind; meanwhile processes are killed, ended and
frozen, servers go away and come back, runs are asked for and cancelled, jobs are disabled and edited. At the end
everything recovers, comes to rest and is checked. The seed gives the whole plan; every step goes into a file.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from tests.faults import walkjobs
from tests.faults.checker import outlived, proof
from tests.faults.walkplan import BEATS, WORKERS, Step, plan
from tests.faults.witness import Witness
from tests.places import PLACES
from tests.servers import MissingError
from tests.stack import Stack, free_port

LEASE = {"PORTAL_LEASE_SECONDS": "12", "PORTAL_HEARTBEAT_SECONDS": "2", "PORTAL_SWEEP_SECONDS": "1"}
PEOPLE = ("request", "cancel", "disable", "enable", "edit", "bells", "limit")
LOOK_SECONDS = 5.0
SHELL_SECONDS = 25.0  # a command that finds no database or no broker is not waited for any longer


class Walk:
    """Performs a plan on a stack and writes down what happened."""

    def __init__(self, stack: Stack, witness: Witness, log: IO[str]) -> None:
        self.stack = stack
        self.witness = witness
        self.findings: list[str] = []
        self._log = log
        self._began = time.monotonic()
        self._database_is_away = False
        self._asked: queue.Queue[Step | None] = queue.Queue()
        self._people = threading.Thread(target=self._serve_people, daemon=True)
        self._people.start()

    def write(self, **facts: Any) -> None:
        self._log.write(json.dumps({"after": round(time.monotonic() - self._began, 2), **facts}) + "\n")
        self._log.flush()

    def start_everything(self) -> None:
        self.stack.add_jobs(*walkjobs.definitions(self.witness))
        for name in (*WORKERS, *BEATS, "web"):
            self.start(name)

    def perform(self, steps: list[Step]) -> None:
        self._began = time.monotonic()
        look_at = self._began + LOOK_SECONDS
        for step in steps:
            while (wait := self._began + step.at - time.monotonic()) > 0:
                if time.monotonic() >= look_at and not self._database_is_away:
                    self.look()
                    look_at = time.monotonic() + LOOK_SECONDS
                time.sleep(min(wait, 0.5))
            if step.action in PEOPLE:
                self._asked.put(step)
            else:
                self._perform(step)
        self._asked.put(None)
        self._people.join(timeout=SHELL_SECONDS * 3)

    def _serve_people(self) -> None:
        """What people do waits for nobody else: with a frozen server it may take long."""
        while (step := self._asked.get()) is not None:
            self._perform(step)

    def _perform(self, step: Step) -> None:
        try:
            told = getattr(self, step.action)(**step.facts)
        except Exception as error:  # a step may find nothing, or a server that is away
            told = f"not done: {str(error).strip().splitlines()[-1:]}"
        self.write(**step.words(), told=told)

    def look(self) -> None:
        """What must hold at every moment: no process outlives its run."""
        try:
            found = list(outlived(self.stack))
        except Exception as error:
            self.write(look=f"not done: {type(error).__name__}")
            return
        if found:
            self.findings += found
            self.write(findings=found)

    # --- processes
    def start(self, who: str) -> str:
        process = self.stack.processes.get(who)
        if process is not None and process.poll() is None:
            return "it runs"
        if who in WORKERS:
            self.stack.start_worker(who, slots=4)
        elif who in BEATS:
            self.stack.start_beat(who)
        else:
            gunicorn = ["gunicorn", "portal.wsgi:application", "--bind", f"127.0.0.1:{free_port()}", "--threads", "4"]
            self.stack.start("web", sys.executable, "-m", *gunicorn, "--no-control-socket")
        return "started"

    def _signal(self, who: str, number: signal.Signals) -> str:
        process = self.stack.processes.get(who)
        if process is None or process.poll() is not None:
            return "it is not there"
        process.send_signal(number)
        return "done"

    def kill(self, who: str) -> str:
        return self._signal(who, signal.SIGKILL)

    def term(self, who: str) -> str:
        return self._signal(who, signal.SIGTERM)

    def freeze(self, who: str) -> str:
        return self._signal(who, signal.SIGSTOP)

    def resume(self, who: str) -> str:
        return self._signal(who, signal.SIGCONT)

    # --- servers
    def broker_down(self, how: str) -> None:
        getattr(self.stack.place.broker, how)()

    def broker_freeze(self) -> None:
        self.stack.place.broker.pause()

    def broker_up(self) -> None:
        self.stack.place.broker.revive()

    def broker_flush(self) -> None:
        self.stack.place.broker.forget()

    def database_down(self, how: str) -> None:
        assert self.stack.place.database is not None
        self._database_is_away = True
        getattr(self.stack.place.database, how)()

    def database_freeze(self) -> None:
        assert self.stack.place.database is not None
        self._database_is_away = True
        self.stack.place.database.pause()

    def database_up(self) -> None:
        assert self.stack.place.database is not None
        self.stack.place.database.revive()
        self._database_is_away = False

    # --- people
    def _call(self, call: str) -> str:
        if self._database_is_away:
            return "not done: the database is away"
        return self.stack.shell(f"from tests.faults import walkjobs; walkjobs.{call}", timeout=SHELL_SECONDS)

    def request(self, job: str, count: int) -> str:
        return self._call(f"ask({job!r}, {count})")

    def cancel(self, nth: int) -> str:
        return self._call(f"cancel({nth})")

    def disable(self, job: str) -> str:
        return self._call(f"switch({job!r}, False)")

    def enable(self, job: str) -> str:
        return self._call(f"switch({job!r}, True)")

    def edit(self, job: str, seconds: float) -> str:
        return self._call(f"edit({job!r}, {seconds}, {str(self.stack.folder)!r})")

    def bells(self, count: int, queue: str) -> str:
        return self._call(f"forge({count}, {queue!r})")

    def limit(self, most: int) -> str:
        return self._call(f"limit({most})")


def walk(lane: str, *, seed: int, seconds: float, folder: Path) -> list[str]:
    """What is wrong in the end; empty when all is well."""
    stack_folder = folder / "stack"
    stack_folder.mkdir()
    place = PLACES[lane]()
    try:
        with (folder / "steps.jsonl").open("w") as log, Stack(stack_folder, place, **LEASE) as stack:
            performer = Walk(stack, Witness(stack_folder), log)
            performer.start_everything()
            performer.write(seed=seed, lane=lane, seconds=seconds)
            performer.perform(plan(seed, seconds, has_server=place.database is not None))
            print(f"{len(performer.witness.starts())} scripts started; coming to rest.", flush=True)
            if problem := proof(stack, performer.witness):
                performer.findings.append(problem)
            performer.write(findings=performer.findings, runs=_summary(stack))
            print(f"runs: {_summary(stack)}", flush=True)
            return performer.findings
    finally:
        place.close()


def _summary(stack: Stack) -> dict[str, int]:
    rows = stack.rows("SELECT status, count(*) FROM jobs_run GROUP BY status ORDER BY status")
    return {status: int(count) for status, count in rows}


def main() -> int:
    options = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--lane", choices=list(PLACES), default="sqlite")
    chosen = options.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if chosen.seed is None else chosen.seed
    folder = Path(tempfile.mkdtemp(prefix=f"portal-chaos-{seed}-"))
    print(f"SEED={seed} LANE={chosen.lane} MINUTES={chosen.minutes:g}; every step: {folder}/steps.jsonl", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends everything, as Ctrl-C does
    try:
        findings = walk(chosen.lane, seed=seed, seconds=chosen.minutes * 60, folder=folder)
    except MissingError as error:
        print(f"This lane can't run here: {error}.")
        return 2
    except KeyboardInterrupt:
        print("Interrupted; everything was ended.")
        return 130
    if findings:
        print(
            "\n".join(["✗ findings:", *findings, f"Again: make chaos SEED={seed} LANE={chosen.lane}; logs: {folder}"])
        )
        return 1
    print("✓ nothing lost, nothing twice, nothing left behind.")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
