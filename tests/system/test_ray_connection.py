"""How distnlc comes to its Ray, on real Rays: what listens where, and what is said where a cluster cannot be joined.

Each try is a process of its own, since Ray reads its settings once a process.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from distnlc.engine import ray_connection
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_connection import connect
from tests.helpers.listening import descendants
from tests.helpers.servers import LONG_S, free_port, wait_for

pytestmark = pytest.mark.slow
ROOT = str(Path(__file__).parents[2])
NO_HOME = "/proc/no-home"
"""where nobody can make a folder"""


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what it says of Ray but for the time that a start may take."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or "start_wait" in name}
    path = os.pathsep.join([ROOT, *filter(None, [own.get("PYTHONPATH")])])
    return own | {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"} | changes


def python(script: str, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=LONG_S, check=False)


OWN_RAY = """
import os
from functools import partial
from tests.helpers.listening import addresses
from tests.helpers.toys import *
from distnlc.engine.driver import run_units
from distnlc.engine.ray_executor import RayExecutor

store, seen = MemoryStore(), []
class Looks(Watcher):
    def committed(self, unit, records):
        seen.append(addresses(os.getpid()))

executor = RayExecutor(square, workers=1)
print(run_units(units([1, 1]), executor=executor, store=store, kind=KIND, spec=SPEC, sinks=[Looks()]).done)
executor.close()
print(len(seen[-1]), *sorted({address for address, _ in seen[-1]}))
"""


def test_a_study_s_own_ray_listens_on_loopback_only_and_needs_no_home_folder() -> None:
    answer = python(OWN_RAY, env=environment(HOME=NO_HOME))
    assert answer.returncode == 0, answer.stderr
    done, listening = answer.stdout.splitlines()
    count, *where = listening.split()
    assert done == "2"
    assert int(count) >= 4, "its processes were not found"
    assert set(where) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[SimpleNamespace]:
    """A cluster that wants a token; the folder holds it and another one."""
    folder = Path(tempfile.mkdtemp())  # Ray's sockets need a short path
    for name, letter in (("token", "a"), ("another", "b")):
        (folder / name).write_text(letter * 64)
    port = free_port()
    words = "start --head --block --num-cpus=1 --include-dashboard=false --disable-usage-stats".split()
    words += [f"--port={port}", f"--temp-dir={folder}", "--object-store-memory=100000000"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *words],
        env=environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(folder / "token")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for((folder / "ray_current_cluster").exists, "cluster")
        yield SimpleNamespace(address=(folder / "ray_current_cluster").read_text().strip(), folder=folder)
    finally:
        for each in descendants(process.pid):
            os.kill(each, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


JOIN = """
import sys
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_executor import _import_ray
from distnlc.engine.ray_connection import connect

ray = _import_ray()
if "another" in sys.argv[2:]:
    ray._private.utils.compute_version_info = lambda: ("2.0.0", "3.9.1")
try:
    print(connect(ray, None, sys.argv[1]), ray.cluster_resources()["CPU"])
except EngineError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "it wants a token, and none is sent while RAY_AUTH_MODE is not set: set RAY_AUTH_MODE=token."),
        (
            {"RAY_AUTH_MODE": "token", "HOME": NO_HOME},
            "it wants a token, and ~/.ray/auth_token holds none that can be read: put the cluster's token there, "
            "or set RAY_AUTH_TOKEN_PATH to a file that holds it.",
        ),
        (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "{folder}/another"},
            "it refuses the token in {folder}/another: put the cluster's token there, "
            "or set RAY_AUTH_TOKEN_PATH to a file that holds it.",
        ),
        (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "c" * 64, "RAY_AUTH_TOKEN_PATH": "{folder}/token"},
            "it refuses the token in the variable RAY_AUTH_TOKEN: set the cluster's, or unset it and set "
            "RAY_AUTH_TOKEN_PATH.",
        ),
    ],
)
def test_a_token_that_is_missing_or_refused_is_one_message(
    guarded: SimpleNamespace, settings: dict[str, str], said: str
) -> None:
    settings = {name: value.format(folder=guarded.folder) for name, value in settings.items()}
    answer = python(JOIN, guarded.address, env=environment(**settings))
    where = " The token of a cluster is what its head has in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
    begin = f"Ray at {guarded.address} cannot be joined: "
    assert (answer.stdout, answer.stderr) == (begin + said.format(folder=guarded.folder) + where + "\n", "")


def test_with_the_cluster_s_token_it_is_joined_and_other_versions_are_named(guarded: SimpleNamespace) -> None:
    env = environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(guarded.folder / "token"))
    answer = python(JOIN, guarded.address, env=env)
    assert answer.stdout == "True 1.0\n"
    answer = python(JOIN, guarded.address, "another", env=env)
    (said,) = answer.stdout.splitlines()
    assert "Version mismatch" in said
    assert "Ray: 2.0.0 Python: 3.9.1" in said
    assert said.endswith("The machines of a cluster need the same Ray and the same Python")


NOT_CONNECTED = SimpleNamespace(is_initialized=lambda: False)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "no-such-host.invalid"])
def test_an_address_where_nobody_answers_is_given_up_soon(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would wait a quarter of an hour."""
    assert ray_connection.ANSWER_LIMIT_S < 30
    monkeypatch.setattr(ray_connection, "ANSWER_LIMIT_S", 0.6)
    with pytest.raises(EngineError, match=r"cannot be joined: nobody answers there .*HOST:6379.*`auto`"):
        connect(NOT_CONNECTED, None, f"{host}:{free_port()}")


def test_a_head_that_is_still_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", Mock(side_effect=[ConnectionRefusedError, TimeoutError, Mock()]))
    ray = Mock(is_initialized=lambda: False)
    assert connect(ray, None, "head:6379")
    ray.init.assert_called_once()


def test_an_address_that_is_none_and_a_missing_cluster_are_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray._private import services

    with pytest.raises(EngineError, match=r"^Ray at head cannot be joined: ValueError: Invalid address format: head$"):
        connect(ray, None, "head")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "get_ray_address_from_environment", lambda *_: _no_cluster())
    with pytest.raises(EngineError, match=r"^Ray at auto cannot be joined: ConnectionError: Could not find any"):
        connect(ray, None, "auto")


def _no_cluster() -> str:
    raise ConnectionError("Could not find any running Ray instance. Please specify the one to connect to.")
