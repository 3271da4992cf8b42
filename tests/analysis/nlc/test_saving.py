"""What is saved and lost is counted right, against the slow way and against what chance would lose."""

import math
from dataclasses import replace

import numpy as np
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc import saving
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.nlc.saving import RANGES, SHARES, elsewhere, lost_at_shares, study_of
from distnlc.records import SKIPPED
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import architecture_row, failed_row, realistic_rows, tables_of


def ten() -> list[ArchitectureRow]:
    """Ten architectures of NLC 1, 2, ... 10 with 10 epochs each; the best, of NLC 4, has an error of 0.1."""
    errors = (0.3, 0.2, 0.25, 0.1, 0.4, 0.5, 0.15, 0.5, 0.6, 0.6)
    return [architecture_row(i, init_nlc=1.0 + i, test_error=error, epochs=10) for i, error in enumerate(errors)]


def test_a_study_that_can_be_counted_by_hand() -> None:
    study = study_of(parts_of(tables_of(ten()).architectures)[0])
    lost = {
        round(share, 3): points for share, points in zip(SHARES, lost_at_shares(study.error, study.epochs), strict=True)
    }
    assert lost[0.0] == lost[0.3] == lost[0.6] == 0
    assert lost[0.605] == lost[0.7] == lost[0.8] == pytest.approx(10)  # the best of NLC 1 to 3 has 0.2
    assert lost[0.805] == lost[1.0] == pytest.approx(20)  # one architecture is always trained
    kept = study.inside(1, 5)
    assert (study.saved(kept), study.lost(kept)) == pytest.approx((0.5, 0))
    assert study.lost(study.inside(6, 10)) == pytest.approx(5)
    assert math.isnan(study.lost(study.inside(20, 30)))


def test_epochs_are_weighed() -> None:
    rows = [replace(row, epochs=100 if row.index == 9 else 10) for row in ten()]
    study = study_of(parts_of(tables_of(rows).architectures)[0])
    assert study.saved(study.inside(1, 9)) == pytest.approx(100 / 190)


def test_other_architectures_lose_what_resampling_the_slow_way_says() -> None:
    study = study_of(parts_of(tables_of(ten()).architectures)[0])
    found = elsewhere(study)
    generator = np.random.default_rng(1)
    slow = []
    for _ in range(4000):
        rows = generator.integers(10, size=10)
        inside = [study.error[row] for row in rows if RANGES[1][0] <= study.nlc[row] <= RANGES[1][1]]
        slow.append(100 * (min(inside) - study.error[rows].min()) if inside else math.nan)
    assert np.nanmean(found.ranges[:, 1]) == pytest.approx(np.nanmean(slow), abs=0.5)
    assert (found.by_nlc[:, 0] == 0).all()
    assert (np.diff(found.by_nlc.mean(axis=0)) >= 0).all()


def test_leaving_out_at_random_is_the_expected_minimum_of_a_sample() -> None:
    """The lowest of the first k of a resample in random order is the lowest of k independent draws."""
    study = study_of(parts_of(tables_of(ten()).architectures)[0])
    errors, n = np.sort(study.error), 10

    def lowest(k: int) -> float:
        chances = np.diff((1 - np.arange(n + 1) / n) ** k) * -1
        return float(chances @ errors)

    at_random = elsewhere(study).at_random.mean(axis=0)
    for k in (2, 5, 8):
        share = int(np.flatnonzero(np.isclose(SHARES, 1 - k / n))[0])
        assert at_random[share] == pytest.approx(100 * (lowest(k) - lowest(n)), abs=0.5)


def test_the_nlc_loses_less_than_chance_where_it_predicts() -> None:
    rows = [replace(row, test_error=0.1 + 0.02 * math.log(row.init_nlc or 1)) for row in realistic_rows(60, failures=0)]
    found = elsewhere(study_of(parts_of(tables_of(rows).architectures)[0]))
    assert found.by_nlc.max() < 1e-9
    assert found.at_random.mean() > 0.1


def test_left_out_rows_are_counted_and_ranges_named() -> None:
    rows = [*ten(), failed_row(10)]
    drawn = saving.draw(tables_of(rows))
    assert drawn.table is not None
    shown = drawn.table.loc["waveform-noise (SGD): NLC 1 to 5"]
    assert list(shown[["trained", "epochs saved", "lost, points"]]) == ["5 of 10", "50%", "0.0"]
    assert shown["mean error (of all), %"] == "25.0 (36.0)"
    assert "10 architectures (left out: 1 (unit failed))" in drawn.remarks[0]
    assert "train_if: init_nlc between 1 and 5" in drawn.remarks[0]


def test_a_study_that_was_filtered_cannot_tell_what_the_filter_lost() -> None:
    rows = [*ten(), architecture_row(11, status=SKIPPED, test_error=None, epochs=None, init_nlc=9.0)]
    with pytest.raises(MissingRecordsError, match="1 architectures were skipped by train_if"):
        saving.draw(tables_of(rows))


def test_every_part_has_a_panel_and_an_empty_range_is_said() -> None:
    far = [replace(row, init_nlc=(row.init_nlc or 1) + 200) for row in realistic_rows(12, "cifar10", failures=0)]
    rows = [*far, *realistic_rows(12, failures=0), *(replace(row, part="few", optimizer="adam") for row in ten()[:3])]
    drawn = saving.draw(tables_of(rows))
    assert [axes.get_title(loc="left") for axes in drawn.figure.axes] == ["CIFAR10 (SGD)", "waveform-noise (SGD)"]
    assert drawn.table is not None
    assert drawn.table.loc["CIFAR10 (SGD): NLC 1 to 5", "trained"].startswith("0 of ")
    assert any("none has an NLC between 1 and 5" in remark for remark in drawn.remarks)
    assert any("3 trained architectures" in remark for remark in drawn.remarks)


def test_a_study_that_trained_too_few_says_how_many_it_takes() -> None:
    with pytest.raises(MissingRecordsError, match=r"3 trained architectures .* at least 8 are needed"):
        saving.draw(tables_of(ten()[:3]))
