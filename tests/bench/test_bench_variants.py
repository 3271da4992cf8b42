"""The compared programs do the same work: same losses, same errors, and products that are those of an epoch."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from distnlc.bench import products
from distnlc.bench.cells import DEPTHS, PARAMETERS, SHAPES, SQUARES, Cell, Job, Shape, grid, make_job
from distnlc.bench.variants import plain, population, stacked
from distnlc.networks.activations import FUNCTIONS
from distnlc.training.native_library import NoLibrary

SMALL = Shape("waveform-noise", d_in=6, classes=3, train_batches=2, validation_batches=1, population=3)
KINDS = [(number, *kind) for number, kind in enumerate(product(["none", "batch", "layer"], [False, True]))]


def small_job(number: int, normalization: str, skips: bool, depth: int = 5) -> Job:
    return make_job(Cell(number, depth, 300, normalization, skips), SMALL, "cpu")


@pytest.mark.parametrize(("number", "normalization", "skips"), [*KINDS, (6, "batch", True), (9, "layer", True)])
def test_the_three_ways_to_train_compute_the_same(number: int, normalization: str, skips: bool) -> None:
    job = small_job(number, normalization, skips)
    job = replace(job, rates=torch.tensor([0.001, 0.01, 0.05], dtype=torch.float64))
    ours, theirs = population(job), stacked(job)
    first = ours()
    for losses, errors in theirs(), np.hstack([np.stack(plain(job, member)()) for member in range(3)]):
        np.testing.assert_allclose(losses, first[0], rtol=1e-10)
        np.testing.assert_array_equal(errors, first[1])
    later = ours()
    assert (later[0] != first[0]).all(), "it is trained"
    assert len(set(later[0])) == 3, "each at its own rate"
    np.testing.assert_allclose(theirs()[0], later[0], rtol=1e-9)


def test_a_job_keeps_the_proportion_of_the_dataset_and_knows_its_share() -> None:
    cell = Cell(0, 3, 300, "none", skips=False)
    for shape in SMALL, SHAPES["cpu"], replace(SHAPES["cuda"], d_in=6):
        whole, short = make_job(cell, shape, "cpu", whole=True), make_job(cell, shape, "cpu")
        assert whole.batches == (shape.train_batches, shape.validation_batches)
        assert whole.share == 1
        assert [count / short.share for count in short.batches] == list(whole.batches)
        assert len(short.rates) == shape.population


def test_the_grid_covers_what_it_should() -> None:
    cells = grid()
    assert Counter((cell.depth, cell.parameters) for cell in cells) == dict.fromkeys(product(DEPTHS, PARAMETERS), 6)
    for skips in False, True:
        assert {cell.activation for cell in cells if cell.skips == skips} == set(FUNCTIONS)
    assert not any(cell.activation in SQUARES and cell.normalization == "none" for cell in cells)
    for start in "none", "linear", "normalization":
        assert {cell.normalization for cell in cells if cell.skip_start == start} == {"none", "batch", "layer"}
    assert grid((3, 49), (20_000,)) == [cell for cell in cells if cell.depth != 15 and cell.parameters == 20_000]
    for cell in cells:
        assert cell.architecture(SHAPES["cpu"]).parameters == pytest.approx(cell.parameters, rel=0.05)


@pytest.mark.parametrize("depth", [3, 7])
def test_the_products_are_those_that_an_epoch_takes(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted while torch computes (the plain loop's epoch, the route through torch) and in place of OpenBLAS."""
    job = small_job(0, "none", skips=False, depth=depth)
    expected = products.flops(job.start.architecture.widths, *job.batches)
    with FlopCounterMode(display=False) as counter:
        plain(job)()
    assert counter.get_total_flops() == expected
    with FlopCounterMode(display=False) as counter:
        products.epoch(job, products.torch_bmm(job))
    assert counter.get_total_flops() == expected * len(job.rates)
    counted: list[int] = []

    def counting(a: Any, b: Any, out: Any) -> Callable[[], None]:
        assert (a @ b).shape == out.shape
        return lambda: counted.append(2 * a.size * b.shape[1])

    monkeypatch.setattr(products, "blas_product", lambda: counting)
    products.epoch(job, products.openblas(job))
    assert sum(counted) == expected * len(job.rates)


def test_openblas_is_called_rightly() -> None:
    """With the transposed views and the shapes of an epoch."""
    prepare, rng = products.blas_product(), np.random.default_rng(0)
    for m, k, n in (5, 3, 7), (4, 9, 2):
        for a, b in product(
            (rng.standard_normal((m, k)), rng.standard_normal((k, m)).T),
            (rng.standard_normal((k, n)), rng.standard_normal((n, k)).T),
        ):
            out = np.empty((m, n))
            prepare(a, b, out)()
            np.testing.assert_allclose(out, a @ b)


def test_the_fastest_route_counts_and_one_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: Job) -> products.Minibatch:
        return lambda training: sum(range(100_000 * (1 + training)))

    def fast(_: Job) -> products.Minibatch:
        return lambda _: None

    def missing(_: Job) -> products.Minibatch:
        raise NoLibrary("not here")

    monkeypatch.setitem(products.ROUTES, "cpu", [slow, missing, fast])
    assert products.products(small_job(0, "none", skips=False))[1] == "fast"
