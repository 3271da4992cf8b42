"""The fused program's kernels as a GPU gets them: compiled for GPUs that are not there, and in Triton's interpreter."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton comes with Linux alone"),
]
MOST_SHARED_BYTES = 48 * 1024
"""of a block, on every GPU without asking for more"""
NUMBERS = frozenset("orders step labels wrong not_finite".split())
INTEGERS = frozenset(
    "width batch signal_member value_member d_in order_row place_row classes parameters rate_row".split()
)
LAYER = {"STRIDE": 256, "ENDS": True, "BEGINS": "linear"}
ROWS, COLUMNS = {"ROWS": 8, "COLUMNS": 256, "NORM": "batch"}, {"ROWS": 256, "COLUMNS": 8, "NORM": "layer"}
OUTPUTS = {"STRIDE": 256, "CLASSES": 16, "COLUMNS": 256}
KERNELS: dict[str, tuple[str, dict[str, Any]]] = {
    "forward of neurons": ("fused_kernels.forward_rows", LAYER | ROWS | {"TRAINING": True}),
    "backward of neurons": ("fused_kernels.backward_rows", LAYER | ROWS),
    "forward of datapoints": ("fused_kernels.forward_columns", LAYER | COLUMNS | {"TRAINING": True}),
    "backward of datapoints": ("fused_kernels.backward_columns", LAYER | COLUMNS),
    "minibatch": ("fused_step_kernels.gather", {"STRIDE": 256, "FEATURES": 32, "POINTS": 32}),
    "loss": ("fused_step_kernels.loss_and_delta", OUTPUTS | {"LOSS": "cross-entropy", "RATED": True}),
    "errors": ("fused_step_kernels.count_errors", OUTPUTS),
    "optimizer": (
        "fused_step_kernels.update",
        {"OPTIMIZER": "adam", "MOMENTUM": 0.9, "DECAY": 0.01, "BY_LAYER": False, "BLOCK": 1024},
    ),
}


def compiled(kernel: Any, constants: dict[str, Any], capability: int, element: str) -> Any:
    """For tensors that begin on 16 bytes, as torch's do."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kinds = {}
    for name, parameter in kernel.signature.parameters.items():
        plain = parameter.annotation is parameter.empty and name not in constants
        kinds[name] = (
            ("i32" if name in INTEGERS else "*i64" if name in NUMBERS else f"*{element}") if plain else "constexpr"
        )
    aligned = [n for n, kind in kinds.items() if kind.startswith("*") or n.endswith("_member") or n == "parameters"]
    attributes = {(list(kinds).index(name),): [["tt.divisibility", 16]] for name in aligned}
    source = ASTSource(kernel, kinds, constexprs=constants, attrs=attributes)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8})


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", list(KERNELS))
def test_kernels_compile_without_spills_and_read_memory_in_whole_vectors(
    name: str, capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64 with tanh, which takes the most registers."""
    import triton

    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path / "cache"))
    module, _, function = KERNELS[name][0].partition(".")
    kernel = getattr(importlib.import_module(f"distnlc.training.{module}"), function)
    of_layer = module == "fused_kernels"
    made = compiled(kernel, KERNELS[name][1] | ({"KIND": "tanh"} if of_layer else {}), capability, "fp64")
    binary = tmp_path / "kernel.cubin"
    binary.write_bytes(made.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    usage, code = (
        subprocess.run([tool, option, binary], check=True, capture_output=True, text=True).stdout
        for option in ("-res-usage", "-sass")
    )
    assert " STACK:0 " in usage, f"registers are spilled: {usage}"
    assert made.metadata.shared <= MOST_SHARED_BYTES
    assert "DFMA" in code or name in {"minibatch", "errors"}, "its arithmetic is in float64"
    if of_layer or name == "optimizer":
        assert "LDG.E.128" in code
        assert "STG.E.128" in code


def test_tritons_own_interpreter_agrees_with_the_plain_program() -> None:
    """In a process of its own: Triton decides when it is imported. Rows of the grid with every normalization, a chain
    of skip connections, one from after a normalization and one through a matrix, each loss."""
    code = """
import torch
from tests.training import test_grid as grid
from distnlc.training.fused_program import FusedProgram
from distnlc.training.layered_program import LayeredProgram
for number in (13, 20, 61):
    row = grid.ROWS[number] | {"dtype": torch.float64}
    _, start, inputs, labels, orders, rates = grid.task(row)
    both = [kind(start, grid.spec_of(row)) for kind in (FusedProgram, LayeredProgram)]
    losses = [one.train(inputs, labels, orders[:, : grid.BATCH], rates) for one in both]
    torch.testing.assert_close(*losses, rtol=1e-9, atol=0)
    torch.testing.assert_close(*(one.plain(one.flat) for one in both), rtol=1e-9, atol=1e-10)
    counts = [one.count_errors(inputs[: grid.BATCH], labels[: grid.BATCH]) for one in both]
    assert torch.equal(torch.stack(counts[0]), torch.stack(counts[1]))
    print(row["normalization"], row["output"], row["skips"], row["loss"])
"""
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split("\n")
    assert len(said) == 4, said
