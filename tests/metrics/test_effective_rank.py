"""The effective rank: against the SVD and against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.metrics import effective_rank as effective_rank_module
from distnlc.metrics.effective_rank import TOLERANCE, effective_rank, lanczos, largest_eigenvalue

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


@pytest.fixture(params=["C", "NumPy and LAPACK", "NumPy alone"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to the largest eigenvalue."""
    if request.param == "C":
        assert effective_rank_module._native(torch.float32), "no compiler was found for the C code that this compares"
        return
    monkeypatch.setattr(effective_rank_module, "_native", lambda _: None)
    if request.param == "NumPy alone":
        monkeypatch.setattr(effective_rank_module, "SMALL", 0)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("features", CASES.values(), ids=CASES)
def test_it_is_that_of_the_singular_values(features: Tensor) -> None:
    exact = features.double()
    values = torch.linalg.svdvals(exact - exact.mean(0)).square()
    rounding = 1e-5 if features.dtype == torch.float32 else 0
    assert effective_rank(features) == pytest.approx(float(values.sum() / values.max()), rel=TOLERANCE + rounding)


@pytest.mark.usefixtures("route")
def test_isotropic_features_have_as_many_directions_as_there_are() -> None:
    """A hard case for Lanczos steps, in which nearly nothing is left of the second vector."""
    assert effective_rank(torch.randn(200_000, 10)) == pytest.approx(10, rel=0.02)


@pytest.mark.usefixtures("route")
def test_it_is_at_least_one_and_undefined_where_nothing_varies() -> None:
    assert all(1 <= effective_rank(torch.randn(64, 1) * torch.randn(1, 512)) < 1 + 1e-5 for _ in range(20))
    assert math.isnan(effective_rank(torch.full((10, 3), 0.5)))


@pytest.mark.usefixtures("route")
def test_it_does_not_see_a_scale() -> None:
    assert effective_rank(ISOTROPIC * 64) == pytest.approx(effective_rank(ISOTROPIC), rel=1e-12)


@pytest.mark.parametrize("points", [256, 300, 700])
def test_half_of_a_large_gram_matrix_gives_the_whole(points: int) -> None:
    vectors = torch.randn(points, 20, dtype=torch.float64)
    assert torch.allclose(effective_rank_module._gram(vectors), vectors @ vectors.T)


@pytest.mark.parametrize("size", [1, 2, 5, 30, 200])
def test_the_largest_eigenvalue_is_that_of_a_full_decomposition(size: int) -> None:
    generator = np.random.default_rng(size)
    features = generator.standard_normal((size, 2 * size))
    matrix = features @ features.T
    largest = np.linalg.eigvalsh(matrix)[-1]
    assert lanczos(matrix) == pytest.approx(largest, rel=TOLERANCE)
    assert largest_eigenvalue(torch.from_numpy(matrix), float(np.trace(matrix))) == pytest.approx(
        largest, rel=TOLERANCE
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_few_steps_are_enough_for_an_eigenvalue_of_its_own(dtype: torch.dtype) -> None:
    """A decomposition of the whole matrix would need as many as it has rows."""
    features = (ISOTROPIC + 3 * torch.randn(300, 1) * torch.randn(1, 512)).to(dtype)
    matrix, workspace = features @ features.T, np.full(303 * 300, np.nan)
    start = effective_rank_module._start(300)
    native = effective_rank_module._native(dtype)
    native(matrix.data_ptr(), 300, float(matrix.trace()), start.ctypes.data, workspace.ctypes.data)
    basis = workspace[: 300 * 300].reshape(300, 300)
    assert 2 < np.isfinite(basis).all(1).sum() <= 37


def test_without_c_few_steps_are_enough_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = np.linalg.eigh

    def eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(matrix))
        values, vectors = whole(matrix)
        return values, vectors

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    monkeypatch.setattr(effective_rank_module, "_native", lambda _: None)
    effective_rank(ISOTROPIC + 3 * torch.randn(300, 1) * torch.randn(1, 512))
    assert max(seen) <= 36
