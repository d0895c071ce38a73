"""The life of an embedded portal: start in order, restart what dies, stop in order."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

from portal.supervisor import banner, broker, environment, logfiles, ports, readiness, services
from portal.supervisor.child import Child, describe_end
from portal.supervisor.errors import StartError
from portal.supervisor.runtime import Runtime

TICK_SECONDS = 0.2
READY_SECONDS = 120.0
Say = Callable[[str], None]


class StopRequested(Exception):
    """Ctrl-C or SIGTERM came while the portal was starting."""


class Supervisor:
    """One start of the portal on one data folder."""

    def __init__(self, *, data_dir: Path, base_dir: Path, environ: Mapping[str, str], say: Say) -> None:
        self.data_dir = data_dir
        self.base_dir = base_dir
        self.environ = environ
        self._say = say
        self.children: list[Child] = []
        self._logs = logfiles.Turner()
        self._troubles: dict[str, str] = {}  # by child: what was said and is not over
        self._is_noted = True  # the children are in the notes on the disk
        self.stop_count = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Start, watch, stop; the exit code of the whole."""
        began = time.monotonic()
        plan_port = environment.web_port(self.environ)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        runtime = Runtime(self.data_dir)
        runtime.take()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        try:
            left = runtime.clear_leftovers()
            if left:
                self.say(f"Ended what an earlier start left behind: {', '.join(left)}.")
            self.runtime = runtime
            self._start(plan_port)
            self._announce(began)
            while not self.stop_count:
                self._tick()
        except StopRequested:
            pass
        finally:
            self._stop_all()
            runtime.release()
        return 0

    def say(self, sentence: str) -> None:
        """To the terminal, or to a file on a disk that may be full: the portal needs neither."""
        with suppress(OSError):
            self._say(sentence)

    # --- start ---
    def _start(self, port: int) -> None:
        plan, broker_port = environment.prepare(
            self.data_dir,
            self.environ,
            kept_broker_port=self.runtime.notes.get("broker_port"),
            kept_mail_port=self.runtime.notes.get("mail_port"),
        )
        self.plan = plan
        if not ports.is_free(plan.bind, port):
            raise StartError(
                f"Port {port} on {plan.bind} is in use by another program. Choose another one: PORT={port + 1} make run"
            )
        self.runtime.write(pid=os.getpid(), address=plan.address, broker_port=broker_port, mail_port=plan.mail_port)
        self._start_broker()
        self._prepare_ledger()
        for service in services.portal_services(plan):
            self._add(service)
        self.say("Started worker, beat and web; waiting until they are ready …")

    def _start_broker(self) -> None:
        service = services.broker_service(self.plan)
        if service is None:
            return
        child = self._add(service)
        deadline = time.monotonic() + 30
        while not broker.answers(self.plan.environment["CELERY_BROKER_URL"]):
            if child.has_died() or time.monotonic() > deadline:
                raise StartError(f"The broker did not start: {child.log.last_words()} (see {child.log.path})")
            self._pause(0.05)

    def _prepare_ledger(self) -> None:
        """Migrations, static files and the demo, in a process of their own that has the whole environment."""
        command = [sys.executable, str(self.base_dir / "manage.py"), "up", "--prepare-only"]
        step = subprocess.Popen(
            command,
            cwd=self.base_dir,
            env=self.plan.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while step.poll() is None:
                self._pause(0.05)
        finally:
            if step.poll() is None:
                step.terminate()
                step.wait(timeout=30)
        if step.returncode != 0:
            raise StartError("The portal did not start.")

    def _add(self, service: services.Service) -> Child:
        child = Child(
            service,
            log=self.data_dir / "logs" / f"{service.name}.log",
            environment=self.plan.environment,
            folder=self.base_dir,
        )
        self.children.append(child)
        child.start()
        self._note_children()
        return child

    def _announce(self, began: float) -> None:
        """Wait for /readyz; print the banner, or which parts are not ready."""
        deadline = time.monotonic() + READY_SECONDS
        host = self.plan.address.removeprefix("http://").rsplit(":", 1)[0].strip("[]")
        missing = ["web"]
        while missing and time.monotonic() < deadline:
            self._tick()
            if self.stop_count:
                raise StopRequested
            missing = readiness.failing_parts(host, self.plan.port)
            self._sleep(TICK_SECONDS)
        if missing:
            self.say(
                f"Not ready after {READY_SECONDS:.0f} s: {', '.join(missing)}. "
                f"The logs in {self.data_dir / 'logs'} tell more; what died is started again."
            )
        seconds = time.monotonic() - began
        keeps_mail = self.plan.mail_port is not None
        start = banner.Start(address=self.plan.address, seconds=seconds, ready=not missing, keeps_mail=keeps_mail)
        self.say(banner.text(start, data_dir=self.data_dir))

    # --- watch ---
    def _tick(self) -> None:
        """Look after each child; what one can't have now (a full disk) it gets at a later tick."""
        self._sleep(TICK_SECONDS)
        for child in self.children:
            try:
                self._tend(child)
                self._troubles.pop(child.name, None)
            except OSError as error:
                self._report_trouble(child, error)

    def _tend(self, child: Child) -> None:
        if child.has_died():
            self._report_death(child)
        elif child.process is None and time.monotonic() >= child.next_start_at:
            self._start_again(child)
        self._show_log(child)
        self._logs.tend(child.log.path, date.today())  # noqa: DTZ011 - the machine's own day, for its own files
        if not self._is_noted:
            self._note_children()

    def _start_again(self, child: Child) -> None:
        try:
            child.start()
        except OSError:
            child.bury()  # the next try comes later and later
            raise
        self._is_noted = False
        self.say(f"{child.name}: started again.")

    def _report_trouble(self, child: Child, error: OSError) -> None:
        cause = error.strerror or str(error)
        if self._troubles.get(child.name) != cause:
            self._troubles[child.name] = cause
            self.say(f"{child.name}: {cause}. The portal goes on; look at the disk of {self.data_dir}.")

    def _report_death(self, child: Child) -> None:
        end = describe_end(child.process.returncode) if child.process else "ended"
        self._show_log(child)
        delay = child.bury()
        self.say(f"{child.name}: {end}; it starts again in {delay:.0f} s. Log: {child.log.path}")

    def _show_log(self, child: Child) -> None:
        for line in child.log.important_lines():
            self.say(f"{child.name}: {line}")

    def _note_children(self) -> None:
        found = {child.name: identity for child in self.children if (identity := child.identity())}
        self._is_noted = False
        self.runtime.write(children=found)
        self._is_noted = True

    # --- stop ---
    def _stop_all(self) -> None:
        """Beat first, so that nothing new comes; the worker drains; broker last. A second signal kills."""
        asked = self.stop_count
        if self.children:
            self.say("Stopping; a second Ctrl-C ends everything at once …")
        for name in services.STOP_ORDER:
            for child in self.children:
                if child.name == name:
                    self._stop(child, asked=asked)
        if self.children:
            self.say("Stopped.")

    def _stop(self, child: Child, *, asked: int) -> None:
        child.ask_to_stop()
        deadline = time.monotonic() + child.service.stop_seconds
        hurried = asked + 1 if asked else 1
        while child.process is not None and child.process.poll() is None:
            if time.monotonic() > deadline:
                self.say(f"{child.name}: did not stop within {child.service.stop_seconds:.0f} s and is killed.")
            if time.monotonic() > deadline or self.stop_count >= hurried:
                break
            self._sleep(TICK_SECONDS)
        child.kill()

    # --- signals ---
    def _note_signal(self, number: int, frame: object) -> None:
        self.stop_count += 1
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            return

    def _sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the next signal."""
        ready, _, _ = select.select([self._wake_read], [], [], seconds)
        if ready:
            os.read(self._wake_read, 100)

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)
        if self.stop_count:
            raise StopRequested
