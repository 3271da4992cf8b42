"""Table 1: each operation's s before and behind, against the numbers of the additions and a slow obvious route."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distnlc.studies.scaling.operations import EPS, IMAGE, ROWS, Operation, measure

KEPT = 1.0
"""within 3 %, as the additions accept it"""
STATED = {
    "average pool 2x2 of a ReLU": (0.511, 0.01),
    "average pool 8x8 of a ReLU": (0.048, 0.003),
    "max pool 2x2": (0.64, 0.02),
    "max pool 2x2 of a ReLU": (0.32, 0.02),
    "sigmoid": (0.15, 0.02),
    "tanh": (1.18, 0.02),
    "GELU": (1.08, 0.02),
    "SiLU": (1.07, 0.02),
    "ELU": (1.04, 0.02),
    "ReLU of a ReLU": (0.50, 0.02),
    "ReLU of mean 1": (0.88, 0.02),
}


@pytest.mark.parametrize("name", ROWS)
def test_an_operation_keeps_as_much_as_the_additions_say(name: str) -> None:
    found = measure(ROWS[name], draws=12, batch=16, seed=3)
    kept, error = found["kept"], found["kept_error"]
    assert kept is not None
    assert error is not None
    expected, tolerance = STATED.get(name, (KEPT, 0.03))
    assert abs(kept - expected) < tolerance
    assert error < tolerance / 2
    if "conv" in name or name == "linear":
        weights = found["kept_weights"]
        assert weights is not None
        assert abs(weights - 1) < 0.04
    else:
        assert "kept_weights" not in found


@pytest.mark.parametrize(
    "rearrange",
    [
        lambda signal: signal.flatten(1),
        lambda signal: signal[:, :, ::2, ::2],
        lambda signal: F.pad(signal, (1, 2, 0, 3)),
        lambda signal: torch.cat([signal, signal[:, :4]], dim=1),
        lambda signal: F.interpolate(signal, scale_factor=2, mode="nearest"),
    ],
    ids=["flatten", "subsampling", "zero padding", "concatenation", "upsampling"],
)
def test_a_rearrangement_keeps_s(rearrange: object) -> None:
    """The rows that table 1 does without. A channel that is read twice gets both gradients."""
    found = measure(Operation(lambda _: (rearrange, None), IMAGE), draws=12, batch=16, seed=1)  # type: ignore[arg-type, return-value]
    assert found["kept"] == pytest.approx(1, abs=0.03)


def test_the_numbers_are_those_of_entry_by_entry_loops() -> None:
    """The same draws, gradients written out: of a linear layer, whose rows are dy x^T, and of ReLU."""
    random = torch.Generator().manual_seed(7)
    matrix = torch.randn(200, 300, generator=random, dtype=torch.float64) / math.sqrt(300)
    x = torch.randn(3, 300, generator=random, dtype=torch.float64)
    dy = torch.randn(3, 200, generator=random, dtype=torch.float64)
    s_y = sum(float((x[n] @ matrix.T)[i] ** 2) for n in range(3) for i in range(200)) / 600
    s_y *= 200 * float((dy**2).sum()) / 600
    s_x = 300 * float((x**2).sum()) / 900 * float(((dy @ matrix) ** 2).sum()) / 900
    per_point = [float((torch.outer(dy[n], x[n]) ** 2).sum()) / 60_000 for n in range(3)]
    s_w = 60_000 * float((matrix**2).sum()) / 60_000 * sum(per_point) / 3
    found = measure(ROWS["linear"], draws=1, batch=3, seed=7)
    assert found["kept"] == pytest.approx(s_x / s_y, rel=1e-9)
    assert found["kept_weights"] == pytest.approx(s_w / s_y, rel=1e-9)
    assert found["kept_error"] is None


def test_the_norms_divide_by_the_deviation_alone() -> None:
    """Their epsilon is far below what could be seen."""
    signal = torch.randn(64, 3, 4, 4, dtype=torch.float64) + 5
    function, _ = ROWS["batch norm, 64 points"].make(torch.Generator())
    assert EPS < 1e-9

    def spread(each: Tensor) -> Tensor:
        return each.var((0, 2, 3), unbiased=False)

    assert torch.allclose(spread(function(signal)), torch.ones(3, dtype=torch.float64))
