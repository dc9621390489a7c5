"""Ctrl-C and SIGTERM: a command ends in one line, and a training saves before it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALLED = 128  # a command that a signal ends exits with this code plus the signal's number

Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """A signal ends the command.

    Args:
        number: of the signal.
        advice: what was saved and how to go on, if there is something to say.
    """

    def __init__(self, number: int, advice: str = "") -> None:
        super().__init__(number, advice)
        self.number, self.advice = number, advice

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f"stopped by {name}: {self.advice}" if self.advice else f"stopped by {name}"

    @property
    def exit_code(self) -> int:
        """Exit code of the process: 130 for SIGINT, 143 for SIGTERM."""
        return SIGNALLED + self.number


def has_launcher() -> bool:
    """Tell whether a launcher started this process. It passes signals on, some of them twice."""
    return "LOCAL_RANK" in os.environ


@contextmanager
def handling_signals(handler: Handler) -> Iterator[None]:
    """Handle SIGINT and SIGTERM, then restore the earlier handlers.

    Only the main thread may set handlers; in any other one, nothing changes.

    Args:
        handler: called with the number of the signal and the interrupted frame.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in earlier.items():
            signal.signal(number, old)


@contextmanager
def raising_stopped() -> Iterator[None]:
    """Raise `Stopped` at the first signal; a second one does not disturb what it sets going."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        again = bool(came)
        came.append(number)
        if not again or (number == signal.SIGINT and not has_launcher()):
            raise Stopped(number)

    with handling_signals(stop):
        yield


class SignalWatch:
    """Remembers the first signal, so that a loop can end at a point of its own choice.

    A second Ctrl-C in a process without a launcher raises `Stopped` at once.

    Attributes:
        number: of the signal; 0 before there is one.
    """

    def __init__(self) -> None:
        self.number = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for signals in this context."""
        with handling_signals(self._remember):
            yield

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            # Data loading processes may get the signal too: their end must not stop this step.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        elif number == signal.SIGINT and not has_launcher():
            raise Stopped(number, "it came twice, so nothing was saved")
