"""What cluster/slurm.sbatch asks SLURM and Ray to do; small scripts that note how they are called stand in for both.

(The file itself has been run under a true SLURM with two machines: preempted, requeued, machines killed.)
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.servers import wait_for

SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm.sbatch"
WRITE_DOWN = 'printf "%s\\n" "$@" > "$CALLS/$(basename "$0")"; env > "$CALLS/environment"\n'
STANDINS = {
    "srun": 'while [[ $1 == -* ]]; do shift; done; exec "$@"\n',
    "ray": WRITE_DOWN + 'touch "$CALLS/begun"; while [[ -e $CALLS/lasts ]]; do sleep 0.02; done; exit "${CODE:-0}"\n',
    "scontrol": WRITE_DOWN,
    "hostname": "echo 10.0.0.7 172.17.0.1\n",
    "nvidia-cuda-mps-control": """
case "$*" in
  -d) echo "started $CUDA_MPS_PIPE_DIRECTORY ${CUDA_VISIBLE_DEVICES-all}" >> "$CALLS/mps"; exit "${MPS:-0}" ;;
  "") echo "$(cat) $CUDA_MPS_PIPE_DIRECTORY" >> "$CALLS/mps" ;;
esac
""",
}
TYPED = ["paper", "--out", "/shared/my study", "--set", "data.root=/shared/data"]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that SLURM gives to the script, on the first machine."""
    (tmp_path / "bin").mkdir()
    for name, body in STANDINS.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}")
        (tmp_path / "bin" / name).chmod(0o755)
    number = str(7_000_000 + os.getpid() % 1_000_000)
    yield {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(tmp_path),
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NUM_NODES": "4",
        "SLURM_CPUS_ON_NODE": "16",
        "SLURM_PROCID": "0",
        "SLURMD_NODENAME": "n1",
    }
    wait_for(lambda: not Path(f"/tmp/distnlc-{number}/mps").exists(), "end of the machine's part")
    Path(f"/tmp/distnlc-{number}").rmdir()


def _run(job: dict[str, str]) -> int:
    return subprocess.run(["bash", SCRIPT, *TYPED], env=job, cwd=job["CALLS"], check=False).returncode


def _call(job: dict[str, str], name: str) -> list[str]:
    return (Path(job["CALLS"]) / name).read_text().splitlines()


@pytest.mark.parametrize("gpus", ["", "8"])
def test_ray_gets_the_jobs_own_port_token_and_folder_and_what_the_machine_has(job: dict[str, str], gpus: str) -> None:
    assert _run(job | ({"SLURM_GPUS_ON_NODE": gpus} if gpus else {})) == 0
    port = 20000 + int(job["SLURM_JOB_ID"]) % 10000
    assert not 10002 <= port <= 19999  # ports of Ray's workers, where a head may not listen
    has = ["--num-cpus", "16"] + (["--num-gpus", gpus] if gpus else [])
    start = ["symmetric-run", "--address", f"10.0.0.7:{port}", "--min-nodes", "4", *has]
    assert _call(job, "ray") == [*start, "--", "distnlc", "run", "--address", "auto", *TYPED]
    environment = dict(line.split("=", 1) for line in _call(job, "environment") if "=" in line)
    assert environment["RAY_ADDRESS"] == f"10.0.0.7:{port}"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert len(environment["RAY_AUTH_TOKEN"]) == 64
    assert set(environment["RAY_AUTH_TOKEN"]) <= set("0123456789abcdef")
    assert len(environment["RAY_TMPDIR"]) < 45


@pytest.mark.parametrize("code", ["0", "3"])
def test_each_machine_has_its_own_mps_while_ray_runs(job: dict[str, str], code: str) -> None:
    assert _run(job | {"CODE": code, "CUDA_VISIBLE_DEVICES": "2,3"}) == int(code)
    folder = f"/tmp/distnlc-{job['SLURM_JOB_ID']}/mps"
    assert _call(job, "mps") == [f"started {folder}/pipe all", f"quit {folder}/pipe"]
    environment = _call(job, "environment")
    assert {f"CUDA_MPS_PIPE_DIRECTORY={folder}/pipe", "CUDA_VISIBLE_DEVICES=2,3"} <= set(environment)
    assert not Path(folder).exists()


@pytest.mark.parametrize("already", [{"MPS": "1"}, {"CUDA_MPS_PIPE_DIRECTORY": "/tmp/nvidia-mps"}])
def test_an_mps_that_cannot_be_started_or_is_there_already_is_left_alone(
    job: dict[str, str], already: dict[str, str]
) -> None:
    assert _run(job | already) == 0
    pipes = [line for line in _call(job, "environment") if line.startswith("CUDA_MPS_PIPE_DIRECTORY")]
    assert pipes == [f"{name}={value}" for name, value in already.items() if name.startswith("CUDA")]
    assert not any(line.startswith("quit") for line in (_call(job, "mps") if "MPS" in already else []))


def test_the_jobs_exit_code_is_that_of_the_study(job: dict[str, str]) -> None:
    assert _run(job | {"CODE": "3"}) == 3


def test_other_machines_write_beside_the_jobs_log(job: dict[str, str]) -> None:
    assert _run(job | {"SLURM_PROCID": "1"}) == 0
    assert (Path(job["CALLS"]) / f"distnlc-{job['SLURM_JOB_ID']}-n1.log").exists()


def test_the_signal_before_the_time_is_up_puts_the_job_back_in_the_queue(job: dict[str, str]) -> None:
    (lasts := Path(job["CALLS"]) / "lasts").touch()
    script = subprocess.Popen(["bash", SCRIPT, *TYPED], env=job, cwd=job["CALLS"])
    try:
        wait_for((Path(job["CALLS"]) / "begun").exists, "study")
        script.send_signal(signal.SIGUSR1)
        script.wait()
    finally:
        lasts.unlink()
    assert _call(job, "scontrol") == ["requeue", job["SLURM_JOB_ID"]]
