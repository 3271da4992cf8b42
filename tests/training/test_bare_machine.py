"""Training and metrics on a machine that has torch, numpy, pydantic and yaml, what these need, and nothing else.

A benchmark on a lent GPU is such a machine. The folder that stands for it holds links to those packages alone.
"""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers.servers import LONG_S

ROOT = Path(__file__).parents[2]
NEEDED = ["torch", "numpy", "pydantic", "PyYAML"]
CODE = """
import importlib, pkgutil, sys
from importlib.util import find_spec

others = [name for name in sys.argv[1:] if find_spec(name)]
assert not others, f"{others} are there too"
# they need Triton, which torch for CUDA brings, and are imported there alone
KERNELS = {"distnlc.training.fused_" + name for name in "activations kernels step_kernels population program".split()}
import distnlc.metrics
import distnlc.training

for room in (distnlc.metrics, distnlc.training):
    for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
        if module.name not in KERNELS:
            importlib.import_module(module.name)

import torch
from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import start_of
from distnlc.training.trainer import train_population

torch.manual_seed(0)
inputs, labels = torch.randn(30, 6, dtype=torch.float64), torch.randint(3, (30,))
sizes = dict(index=0, seed=1, d_in=6, d_out=3, depth=5, width=8, activation="tanh", normalization="batch")
network = Architecture(
    **sizes, dilation=1.0, shift=0.0, debiased=True, bias_variance=0.0, initial_scale=1.0,
    skip_strength=1.0, skip_start="linear",
).build()
start, spec = start_of(network), TrainingSpec(batch_size=10, epochs=3, divisions=1)
program = LayeredProgram(start, spec)
before = program.flat.clone()
losses = program.train(inputs, labels, torch.arange(30)[None], torch.full((1, 1), 0.1, dtype=torch.float64))
assert losses.isfinite().all() and not torch.equal(program.flat, before)
data = Dataset("clusters", 3, *[inputs, labels] * 3)
assert [run.epochs for run in train_population(start, data, [0.01, 0.1], spec)] == [3, 3]
print("trained")
"""


def needed(names: list[str]) -> set[str]:
    """The installed packages that have these names or are needed by them, extras left out."""
    found, todo = set[str](), list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        if name not in found:
            found.add(name)
            each = [Requirement(text) for text in requires]
            todo += [one.name for one in each if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def tops(package: str) -> set[str]:
    """The files and folders that a package has in the library's folder."""
    return {file.parts[0] for file in metadata.files(package) or [] if file.parts[0] not in {"..", "__pycache__"}}


@pytest.mark.slow
def test_training_and_metrics_need_torch_numpy_pydantic_and_yaml_alone(tmp_path: Path) -> None:
    packages = needed(NEEDED)
    library = Path(str(metadata.distribution("numpy").locate_file("")))
    for top in set().union(*map(tops, packages)):
        (tmp_path / top).symlink_to(library / top)
    (tmp_path / "distnlc").symlink_to(ROOT / "distnlc")
    others = ["scipy", "joblib", "sklearn", "optuna", "pyarrow", "ray", "mlflow", "pandas", "scipy_openblas32", "PIL"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", CODE, *others],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    assert "the CPU trains and measures in plain torch" in done.stderr, "there is no native program without its library"
