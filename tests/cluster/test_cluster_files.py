"""The files in cluster/, without the platforms that they are for: they fit their schemas, and each other.

The hand-started way is run in tests/system/test_two_raylets.py.
"""

import copy
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
KUBERNETES = "1.28"
"""Some way back, since a cluster may be older than the newest."""
SCRIPTS = ["node.sh", "slurm.sbatch"]


def _pinned(package: str) -> str:
    pin = re.search(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pin
    return pin[1]


def _tool(name: str, *arguments: str | Path) -> str:
    """What a program that a Python package brought along says."""
    command = [Path(sys.executable).parent / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_pass_shellcheck_and_can_be_parsed(name: str) -> None:
    assert _tool("shellcheck", CLUSTER / name) == ""
    subprocess.run(["bash", "-n", CLUSTER / name], check=True)


def test_container_file_passes_its_linter_and_takes_what_the_installation_needs() -> None:
    assert _tool("hadolint", CLUSTER / "Containerfile") == ""
    lines = (CLUSTER / "Containerfile").read_text().splitlines()
    copied = {name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {"pyproject.toml", "constraints.txt", project["project"]["readme"]} < copied
    packages = {name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages < copied
    assert all((ROOT / name).exists() for name in copied)
    assert "cluster" in project["project"]["optional-dependencies"]


def test_kubernetes_manifest_fits_the_schema_of_kubernetes_and_asks_kuberay_for_a_token() -> None:
    """No Python package carries the schema of KubeRay's own part."""
    claim, job = yaml.safe_load_all((CLUSTER / "rayjob.yaml").read_text())
    kubernetes_validate.validate(claim, KUBERNETES, strict=True)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == _pinned("ray"), "without it, KubeRay makes no token"
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for number, group in enumerate(groups):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "numbers would be refused"
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "any"}, "template": group["template"]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
        spec = group["template"]["spec"]
        assert spec.get("restartPolicy") == ("Never" if number == 0 else None)  # SidecarMode wants it of the head
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
            limits, requests = container["resources"]["limits"], container["resources"]["requests"]
            assert limits["memory"] == requests["memory"]


def test_failed_units_are_no_reason_to_run_the_kubernetes_job_again(tmp_path: Path) -> None:
    _, job = yaml.safe_load_all((CLUSTER / "rayjob.yaml").read_text())
    (tmp_path / "distnlc").write_text('#!/bin/sh\necho "$@"\nexit $CODE\n')
    (tmp_path / "distnlc").chmod(0o755)
    handed_over = shlex.join(shlex.split(job["spec"]["entrypoint"]))  # as KubeRay and `ray job submit` do it
    passed_on = {}
    for code in (0, 1, 2, 3, 130, 137):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CODE": str(code)}
        done = subprocess.run(handed_over, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("run paper --address auto --out /shared/")
        passed_on[code] = done.returncode == 0
    assert {code for code, fine in passed_on.items() if fine} == {0, 3}


def test_cloud_file_fits_the_schema_of_the_installed_ray() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config  # which brings all of Ray

    written = yaml.safe_load((CLUSTER / "aws.yaml").read_text())
    prepared = prepare_config(copy.deepcopy(written))
    validate_config(prepared)
    assert {name: prepared[name] for name in ("provider", "docker", "head_start_ray_commands")} == {
        name: written[name] for name in ("provider", "docker", "head_start_ray_commands")
    }
    types = prepared["available_node_types"]
    assert types[prepared["head_node_type"]]["max_workers"] == 0
    assert types["gpu"]["min_workers"] <= types["gpu"]["max_workers"] <= prepared["max_workers"]
    starts = prepared["head_start_ray_commands"][1:] + prepared["worker_start_ray_commands"][1:]
    assert all(command.startswith("RAY_AUTH_MODE=token ray start ") for command in starts)
    assert "~/.ray/auth_token" in prepared["file_mounts"]


WITH_DOUBLE_PRECISION = {"p4d.24xlarge": {"CPU": 96, "GPU": 8}, "p5.4xlarge": {"CPU": 16, "GPU": 1}}
"""instances whose GPUs compute float64 at half the speed of float32: what AWS says they have"""


def test_the_cloud_file_offers_gpus_with_double_precision_and_what_they_have() -> None:
    gpu = yaml.safe_load((CLUSTER / "aws.yaml").read_text())["available_node_types"]["gpu"]
    assert gpu["resources"] == WITH_DOUBLE_PRECISION[gpu["node_config"]["InstanceType"]]


def test_no_file_names_a_preset_that_is_not_there() -> None:
    presets = {path.stem for path in (ROOT / "distnlc" / "studies").glob("*/presets/*.yaml")}
    files = [path for path in CLUSTER.iterdir() if path.is_file()]
    named = {name for path in files for name in re.findall(r"distnlc run ([a-z][a-z-]*)", path.read_text())}
    assert {"paper", "rehearsal"} <= named <= presets
