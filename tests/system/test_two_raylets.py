"""The hand-started way, as cluster/README.md says: two machines by `cluster/node.sh`, one study by `--address`.

The machines are two raylets on this one. A process belongs to the machine whose session it is in.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from distnlc.store import read_table
from tests.helpers.servers import free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NODE = Path(__file__).parents[2] / "cluster" / "node.sh"
DISTNLC = [sys.executable, "-c", "from distnlc.cli import main; main()"]
UNITS, SECONDS = 400, 1.0
"""of a study that is not over before the longest that is waited for"""
SMALL = ["--num-cpus", "1", "--object-store-memory", "100000000"]


@dataclass
class Cluster:
    """A head that runs; its address, the environment for all that belongs to it, and where its log files are."""

    head: subprocess.Popen[bytes]
    address: str
    environment: dict[str, str]
    folder: Path

    def start(self, *command: str | Path, log: str, **variables: str) -> subprocess.Popen[bytes]:
        return _start([str(part) for part in command], self.folder / log, self.environment | variables)

    def words(self, log: str) -> str:
        return (self.folder / log).read_text()


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)


def _kill(machine: subprocess.Popen[bytes]) -> None:
    """All processes of its session, at once, as when a machine loses its power."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(ProcessLookupError):
                if os.getsid(int(entry.name)) == machine.pid:
                    os.kill(int(entry.name), signal.SIGKILL)
    machine.wait()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: Ray puts sockets there, and makes the token in its home
    usual = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or "start_wait" in name}
    path = f"{Path(sys.executable).parent}{os.pathsep}{usual['PATH']}"
    environment = usual | {"HOME": str(folder), "RAY_TMPDIR": str(folder), "PATH": path, "OMP_NUM_THREADS": "1"}
    port = str(free_port())
    head = _start([str(NODE), "head", "--port", port, *SMALL], folder / "head", environment)
    cluster = Cluster(head, f"127.0.0.1:{port}", environment | {"RAY_AUTH_MODE": "token"}, folder)
    try:
        wait_for(lambda: "Ray runtime started" in cluster.words("head") or head.poll() is not None, "head")
        assert head.poll() is None, cluster.words("head")
        yield cluster
    finally:
        _kill(head)
        shutil.rmtree(folder, ignore_errors=True)


def test_machines_join_and_die_during_a_study_and_each_shows_the_token(cluster: Cluster, tmp_path: Path) -> None:
    (journal := tmp_path / "journal").mkdir()
    command = [*DISTNLC, "run", "rehearsal", "--address", cluster.address, "--out", str(tmp_path / "study")]
    command += ["--set", f"count={UNITS}", "--set", f"journal={journal}"]

    def begun_on(machine: subprocess.Popen[bytes]) -> int:
        """Units begun by workers that live on the machine now."""
        count = 0
        for attempt in journal.iterdir():
            with suppress(ProcessLookupError):
                count += os.getsid(int(attempt.name.split("-")[-2])) == machine.pid
        return count

    study = cluster.start(*command, "--set", f"seconds={SECONDS}", log="study")
    try:
        wait_for(lambda: begun_on(cluster.head) > 0, "work on the head", log=lambda: cluster.words("study"))
        second = cluster.start(NODE, "join", cluster.address, *SMALL, log="second")
        try:
            wait_for(lambda: begun_on(second) > 1, "work on the second machine", log=lambda: cluster.words("second"))
        finally:
            _kill(second)
        before = begun_on(cluster.head)
        wait_for(lambda: begun_on(cluster.head) > before + 1, "work after a death", log=lambda: cluster.words("study"))
    finally:
        study.send_signal(signal.SIGINT)
        study.wait()
    assert study.returncode == 130, cluster.words("study")

    fast = cluster.start(*command, "--set", "seconds=0", log="fast")
    stranger = [*DISTNLC, "run", "rehearsal", "--address", cluster.address, "--out"]
    strangers = [
        cluster.start(*stranger, tmp_path / "one", log="wrong", RAY_AUTH_TOKEN="0" * 64),
        cluster.start(*stranger, tmp_path / "two", log="none", HOME=str(tmp_path)),
    ]
    assert fast.wait() == 0, cluster.words("fast")
    rows = read_table(tmp_path / "study", "units").to_pylist()
    assert sorted(row["index"] for row in rows) == list(range(UNITS))
    assert {row["status"] for row in rows} == {"ok"}
    assert len({row["process"] for row in rows}) >= 2
    assert [each.wait() for each in strangers] == [2, 2]
    for log in "wrong", "none":
        words = cluster.words(log)
        assert "error: Ray at" in words
        assert "RAY_AUTH_TOKEN_PATH" in words
        assert "Traceback" not in words


def test_a_machine_without_the_token_does_not_try_to_join(tmp_path: Path) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    joined = subprocess.run(
        [str(NODE), "join", "127.0.0.1:6379"], env=environment, capture_output=True, text=True, check=False
    )
    assert joined.returncode == 2
    assert "no token on this machine" in joined.stderr
