"""The effective rank: against the SVD and against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.metrics.effective_rank import TOLERANCE, effective_rank, largest_eigenvalue

torch.manual_seed(0)
ISOTROPIC = torch.randn(300, 512)
CASES: dict[str, Tensor] = {
    "fewer points than features": ISOTROPIC,
    "more points than features": torch.randn(1000, 40),
    "one direction": torch.randn(60, 1) * torch.randn(1, 50),
    "two directions alike": torch.linalg.qr(torch.randn(80, 80))[0] * torch.tensor([3.0, 3.0, *[1.0] * 78]),
    "many directions nearly alike": torch.randn(400, 64) * torch.linspace(1, 0.98, 64),
    "far from zero": torch.randn(50, 30) + 100,
    "two points": torch.randn(2, 7),
    "tiny": torch.randn(50, 20) * 1e-15,
    "double": torch.randn(70, 30, dtype=torch.float64),
}


@pytest.mark.parametrize("features", CASES.values(), ids=CASES)
def test_it_is_that_of_the_singular_values(features: Tensor) -> None:
    exact = features.double()
    values = torch.linalg.svdvals(exact - exact.mean(0)).square()
    rounding = 1e-5 if features.dtype == torch.float32 else 0
    assert effective_rank(features) == pytest.approx(float(values.sum() / values.max()), rel=TOLERANCE + rounding)


def test_isotropic_features_have_as_many_directions_as_there_are() -> None:
    assert effective_rank(torch.randn(200_000, 10)) == pytest.approx(10, rel=0.02)


def test_it_is_at_least_one_and_undefined_where_nothing_varies() -> None:
    assert all(1 <= effective_rank(torch.randn(64, 1) * torch.randn(1, 512)) < 1 + 1e-5 for _ in range(20))
    assert math.isnan(effective_rank(torch.full((10, 3), 0.5)))


def test_it_does_not_see_a_scale() -> None:
    assert effective_rank(ISOTROPIC * 64) == pytest.approx(effective_rank(ISOTROPIC), rel=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5, 30, 200])
def test_the_largest_eigenvalue_is_that_of_a_full_decomposition(size: int) -> None:
    generator = np.random.default_rng(size)
    features = generator.standard_normal((size, 2 * size))
    matrix = features @ features.T
    assert largest_eigenvalue(matrix) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=TOLERANCE)


def test_few_steps_are_enough_for_an_eigenvalue_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decomposition of the whole matrix would need as many as it has rows."""
    seen: list[int] = []
    whole = np.linalg.eigh

    def eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(matrix))
        values, vectors = whole(matrix)
        return values, vectors

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    effective_rank(ISOTROPIC + 3 * torch.randn(300, 1) * torch.randn(1, 512))
    assert max(seen) <= 32
