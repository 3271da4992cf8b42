"""Which signals end a study, and what a lost terminal makes of its last words."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from distnlc.engine.signals import ending_signals

ENDS = """
import os, signal
from distnlc.engine.signals import interrupt_by_signals
signal.signal(signal.SIGHUP, signal.SIG_DFL)
interrupt_by_signals()
try:
    print("ready", flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("last words", flush=True)
    os._exit(130)
"""


def test_a_study_that_was_started_with_nohup_does_not_hear_that_its_terminal_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "getsignal", {signal.SIGHUP: signal.SIG_IGN}.get)
    assert ending_signals() == [signal.SIGTERM]
    monkeypatch.setattr(signal, "getsignal", {signal.SIGHUP: signal.SIG_DFL}.get)
    assert ending_signals() == [signal.SIGTERM, signal.SIGHUP]


def test_a_closed_terminal_interrupts_and_last_words_to_it_do_no_harm() -> None:
    """The process leads the session of a terminal, as a shell's command does."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ENDS])
    while b"ready" not in os.read(terminal, 1024):
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130


@pytest.mark.parametrize("closed", ["", ">&- 2>&-"])
def test_an_output_that_is_no_terminal_is_kept_and_one_that_was_never_there_does_no_harm(closed: str) -> None:
    program = "import signal\nfrom distnlc.engine.signals import leave_lost_terminal\n"
    program += "leave_lost_terminal(signal.SIGHUP)\nprint('last words')"
    command = ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ("" if closed else "last words\n")
