"""The NLC study on a dataset whose numbers only its file tells."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distnlc.plugins import Work
from distnlc.spec import SpecError
from distnlc.studies import from_fields
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.unit import prepare, run
from distnlc.studies.nlc.units import known, units


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    np.savez(tmp_path / "my.npz", inputs=random.normal(size=(101, 2, 3)), labels=random.integers(4, size=101))
    return tmp_path / "my.npz"


def of_file(path: Path, **counts: Any) -> Spec:
    fields = {
        "kind": "nlc",
        "data": {"name": "npz", "file": str(path), **counts},
        "sampling": {"count": 1, "parameters": 300, "depth_max": 3},
        "training": {"batch_size": 20, "first_patience": 1, "patience": 1, "divisions": 0, "population": 1},
        "search": {"rates": 2, "edge": 0},
        "metrics": {"nlc_batches": 1, "walk_batches": 0},
    }
    found = from_fields(fields, where="test")
    assert isinstance(found, Spec)
    return found


def test_counts_that_do_not_fill_batches_are_answered_with_some_that_do(file: Path) -> None:
    spec = of_file(file)
    message = r"data\.train must be a multiple of training\.batch_size = 20 .* but it is 61; such as "
    with pytest.raises(SpecError, match=message + "--set data.train=60 --set data.validation=20 --set data.test=20"):
        prepare(spec, [spec.name])


def test_a_study_needs_a_validation_part(file: Path) -> None:
    without = of_file(file, train=60, validation=0, test=20)
    with pytest.raises(SpecError, match=r"data\.validation must be a multiple of .* but it is 0"):
        prepare(without, [without.name])


def test_rows_have_the_dimensions_and_the_counts_that_the_file_has(file: Path) -> None:
    small = of_file(file, train=60)
    found = prepare(small, [small.name])
    (unit,) = units(small)
    (row,) = run(small, unit, Work())["architectures"]
    assert (row.dataset, row.train_points, row.d_in, row.d_out) == ("npz", 60, 6, 4)
    for name, value in known(small, unit, found).items():
        assert getattr(row, name) == value
