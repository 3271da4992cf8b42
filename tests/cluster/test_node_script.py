"""When cluster/node.sh starts MPS, and that it stops it again; small scripts that note how they are called stand in for
Ray and MPS. With the true Ray it is run in tests/system/test_two_raylets.py."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.servers import wait_for

SCRIPT = Path(__file__).parents[2] / "cluster" / "node.sh"
MPS = """
case "$*" in
  -d) echo "started ${CUDA_VISIBLE_DEVICES-all} $(ls "$CUDA_MPS_PIPE_DIRECTORY/..")" >> "$CALLS/mps"; exit "$STARTS" ;;
  "") echo "$(cat) for $CUDA_MPS_PIPE_DIRECTORY" >> "$CALLS/mps" ;;
esac
"""
STANDINS = {
    "python": "echo 4\n",
    "ray": 'echo "$* mps=${CUDA_MPS_PIPE_DIRECTORY-} gpus=${CUDA_VISIBLE_DEVICES-}" >> "$CALLS/ray"\n',
    "nvidia-cuda-mps-control": MPS,
}


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine where both are installed."""
    (tmp_path / "bin").mkdir()
    for name, body in STANDINS.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    return {"PATH": path, "CALLS": str(tmp_path), "STARTS": "0", "CUDA_VISIBLE_DEVICES": "2,3"}


def start(shell: dict[str, str], *words: str) -> tuple[str, str]:
    """What `node.sh WORDS` says on its error channel, and how it has started Ray."""
    done = subprocess.run(["bash", SCRIPT, *words], env=shell, capture_output=True, text=True, check=True)
    return done.stderr, called(shell, "ray").splitlines()[-1]


def called(shell: dict[str, str], name: str) -> str:
    path = Path(shell["CALLS"], name)
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["head", "--port", "1"], "start --head --block --num-cpus 4 --port 1"),
        (["join", "h:1"], "start --address h:1 --block --num-cpus 4"),
    ],
)
def test_mps_is_started_before_ray_with_folders_of_its_own_and_stopped_after_it(
    shell: dict[str, str], words: list[str], begins: str
) -> None:
    said, ray = start(shell, *words)
    words_to_ray, _, rest = ray.partition(" mps=")
    pipe, _, gpus = rest.partition(" gpus=")
    assert (said, words_to_ray, gpus) == ("", begins, "2,3")
    wait_for(lambda: f"quit for {pipe}\n" in called(shell, "mps"), "end of MPS", lambda: called(shell, "mps"))
    assert called(shell, "mps").splitlines()[:2] == ["started all log", "pipe"]
    wait_for(lambda: not os.path.exists(os.path.dirname(pipe)), "end of its folder")


def test_where_mps_does_not_start_ray_does_without_it_and_that_is_said(shell: dict[str, str]) -> None:
    said, ray = start(shell | {"STARTS": "1"}, "head")
    assert said == "MPS cannot be started: workers on one GPU take turns\n"
    assert " mps= " in ray


def test_an_mps_that_somebody_else_runs_or_that_is_not_there_is_left_alone(shell: dict[str, str]) -> None:
    _, ray = start(shell | {"CUDA_MPS_PIPE_DIRECTORY": "/tmp/nvidia-mps"}, "head")
    assert " mps=/tmp/nvidia-mps " in ray
    Path(shell["CALLS"], "bin", "nvidia-cuda-mps-control").unlink()
    _, ray = start(shell, "head")
    assert " mps= " in ray
    assert called(shell, "mps") == ""
