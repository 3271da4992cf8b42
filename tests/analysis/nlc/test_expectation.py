"""A network outside the study: which part it is compared with, its percentile, and the error that the part expects."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from distnlc.analysis.nlc import expectation as reference
from distnlc.analysis.nlc.expectation import expected_error, find_part, percentile
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.statistics.prediction import fit
from distnlc.analysis.tables import Tables
from distnlc.store import StoreError
from tests.helpers.synthetic import failed_row, realistic_rows, write_study


def test_the_part_is_that_of_the_dataset_or_the_one_that_is_named(two_datasets: Path) -> None:
    assert find_part(two_datasets, dataset="waveform-noise").name == "waveform-noise-sgd"
    assert find_part(two_datasets, dataset="cifar10").name == "cifar10-sgd"
    assert find_part(two_datasets, dataset="mnist").name == "cifar10-sgd"
    assert find_part(two_datasets, dataset="own.npz").name == "cifar10-sgd"
    assert find_part(two_datasets, dataset="cifar10", part="waveform-noise-sgd").name == "waveform-noise-sgd"
    with pytest.raises(StoreError, match="no part 'mnist'; its parts: cifar10-sgd, waveform-noise-sgd"):
        find_part(two_datasets, dataset="mnist", part="mnist")


def test_an_empty_study_is_no_reference(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no architecture was measured yet"):
        find_part(write_study(tmp_path / "study", []), dataset="mnist")


def test_the_percentile_counts_lower_values_and_half_of_the_equal_ones(tmp_path: Path) -> None:
    rows = realistic_rows(4, failures=0)
    values = (1.0, 2.0, 2.0, math.inf)
    changed = [replace(row, init_nlc=nlc, init_lipschitz=None) for row, nlc in zip(rows, values, strict=True)]
    part = find_part(write_study(tmp_path / "study", [*changed, failed_row(9, part=rows[0].part)]), dataset=None)
    shares = {nlc: percentile(part, "init_nlc", nlc) for nlc in (0.5, 1.5, 2.0, 1e9, math.inf)}
    assert shares == {0.5: 0, 1.5: 25, 2.0: 50, 1e9: 75, math.inf: 87.5}
    assert percentile(part, "init_nlc", math.nan) is None
    assert percentile(part, "init_lipschitz", 1.0) is None  # never measured


def test_metrics_of_the_table_of_measurements_stand_beside_the_columns() -> None:
    rows = pd.DataFrame({"unit_id": ["a", "b", "c"], "part": "p", "depth": [0, 0, 7]})
    kept = {"stage": "initial", "name": "chi"}
    measurements = pd.DataFrame(
        [
            {**kept, "unit_id": "a", "value": 1.0},
            {**kept, "unit_id": "b", "value": math.nan},
            {**kept, "unit_id": "other part", "value": 5.0},
            {**kept, "unit_id": "b", "value": 9.0, "stage": "trained"},
            {**kept, "unit_id": "a", "value": 4.0, "name": "depth"},
        ]
    )
    found = reference.with_measurements(rows, measurements)
    assert found["chi"].isna().tolist() == [False, True, True]
    assert found["depth"].tolist() == [4, 0, 7]
    part = Part("p", ("waveform-noise", "sgd", "validation-error"), found)
    assert percentile(part, "chi", 2.0) == 100
    assert percentile(part, "snip", 2.0) is None
    assert reference.with_measurements(rows, None) is rows


def test_the_expected_error_is_the_predictions_from_nlc_and_bias(tables: Tables) -> None:
    part = next(part for part in parts_of(tables.architectures) if part.key[0] == "waveform-noise")
    expected = expected_error(part, 3.0, 2.0)
    assert expected is not None
    predicted = fit(part.rows[["init_nlc", "init_bias"]], part.rows["test_error"], log_x=True).at([[3.0, 2.0]])
    assert [expected.error, expected.low, expected.high] == [float(numbers[0]) for numbers in predicted]
    known = part.rows["init_nlc"].dropna()
    assert (expected.n, expected.lowest_nlc, expected.highest_nlc) == (60, known.min(), known.max())
    for nlc, bias in ((math.nan, 2.0), (math.inf, 2.0), (0.0, 2.0), (3.0, math.inf), (3.0, math.nan)):
        assert expected_error(part, nlc, bias) is None


def test_few_architectures_tell_nothing(tmp_path: Path) -> None:
    few = realistic_rows(reference.FEWEST - 1, failures=0)
    without_bias = replace(few[0], index=99, unit_id="another", init_bias=math.inf)
    part = find_part(write_study(tmp_path / "few", [*few, without_bias]), dataset=None)
    assert expected_error(part, 3.0, 2.0) is None
    enough = find_part(write_study(tmp_path / "enough", realistic_rows(reference.FEWEST, failures=0)), dataset=None)
    expected = expected_error(enough, 3.0, 2.0)
    assert expected is not None
    assert 0 <= expected.low <= expected.high < 1
