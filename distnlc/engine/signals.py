"""Ctrl-C, SIGTERM and SIGHUP during a study: it ends at once, and no commit is cut in two.

In: the event that ends a study. Out: the event, set by a signal; KeyboardInterrupt only where it is harmless.
SIGHUP comes when a terminal is closed or a connection to it breaks. A command that was started with `nohup` ignores it,
and goes on doing so.
"""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


def ending_signals() -> list[signal.Signals]:
    """The signals that end a study, besides Ctrl-C's."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGHUP] if hangs_up else [signal.SIGTERM]


def interrupt_by_signals() -> None:
    """Makes the others raise KeyboardInterrupt as Ctrl-C does: machines are taken away by them."""
    for number in ending_signals():
        signal.signal(number, _interrupt)


def _interrupt(number: int, *_: object) -> None:
    leave_lost_terminal(number)
    if number == signal.SIGHUP:  # who leads a terminal's session gets it twice
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave_lost_terminal(number: int) -> None:
    """At SIGHUP: what is still said goes nowhere if the terminal is gone, where each line would raise OSError."""
    if number != signal.SIGHUP:
        return
    for output in 1, 2:
        with suppress(OSError):  # it may have been closed from the beginning
            if stat.S_ISCHR(os.fstat(output).st_mode) and not os.isatty(output):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, output)
                os.close(nowhere)


class Signals:
    """A context in which signals set `stop`, and interrupt only within `may_interrupt`.

    However often Ctrl-C is pressed, neither a commit nor the cleaning up is cut in two. Signals reach the main thread
    alone; a study in another thread is ended by `stop`.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self._interruptible = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *ending_signals()):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, *_: object) -> None:
        leave_lost_terminal(number)
        self.stop.set()
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    @contextmanager
    def may_interrupt(self) -> Iterator[None]:
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False
