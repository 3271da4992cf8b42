"""Each claim of the paper is checked by a number that a plain calculation on the same rows gives, and says it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.nlc.claims import Claim, claims, good_range
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.tables import Tables
from distnlc.records import DIVERGED
from tests.helpers.synthetic import architecture_row, realistic_rows, tables_of


@pytest.fixture(scope="module")
def study() -> Tables:
    """60 architectures of waveform-noise, as many whose runs were chosen by training error."""
    return tables_of([*realistic_rows(60, failures=0), *realistic_rows(60, criterion="training-error", failures=0)])


@pytest.fixture(scope="module")
def rows(study: Tables) -> pd.DataFrame:
    return part_of(study).rows


def part_of(tables: Tables, criterion: str = "validation-error") -> Part:
    return parts_of(tables.architectures, criterion=criterion)[0]


def said(tables: Tables, about: str, criterion: str = "validation-error") -> str:
    found = {claim.about: claim for claim in claims(part_of(tables, criterion), tables.runs)}
    return found[about].here


def numbers(text: str) -> list[float]:
    """[value, low, high] of `+0.12 [+0.03, +0.20]`."""
    value, _, rest = text.partition(" [")
    low, high = rest.partition("]")[0].split(", ")
    return [float(value.split()[-1]), float(low), float(high)]


def test_the_best_are_compared_with_all_by_the_hypergeometric_distribution() -> None:
    nlcs = [2.0, 2.0, 50.0, *[2.0] * 8, *[90.0] * 19]  # the three best are the first
    tables = tables_of([architecture_row(i, init_nlc=nlc, test_error=0.1 + i / 100) for i, nlc in enumerate(nlcs)])
    found = good_range(part_of(tables))
    assert found is not None
    assert (found.best, found.best_in_range, found.in_range, found.architectures) == ((2, 2, 50), 2, 10, 30)
    # All draws of 3 of 30 that have at least 2 of the 10.
    assert found.p == pytest.approx((45 * 20 + 120) / 4060)
    assert "2 have an initial NLC between 1 and 3, of all 10 (by chance as many with p = 0.25)" in said(
        tables, "Right-sized NLC"
    )


def test_the_nlc_on_test_inputs_and_its_fall_are_told_by_their_ratios(study: Tables, rows: pd.DataFrame) -> None:
    for about, over, under in (
        ("Trained NLC on test inputs", "trained_nlc_test", "trained_nlc"),
        ("NLC in training", "trained_nlc", "init_nlc"),
    ):
        low, middle, high = np.quantile(rows[over] / rows[under], [0.1, 0.5, 0.9])
        assert f"in the median {middle:.3g} (middle 80%: {low:.3g} to {high:.3g})" in said(study, about)
    fell = (rows["trained_nlc"] < rows["init_nlc"]).sum()
    interval = stats.binomtest(int(fell), 60).proportion_ci(method="wilson")
    shares = f"{fell} ({fell / 60:.0%} [{interval.low:.0%}, {interval.high:.0%}]) of 60"
    assert said(study, "NLC in training").startswith(f"falls for {shares}")


def test_initial_and_trained_nlc_are_compared_on_the_same_resamples(study: Tables, rows: pd.DataFrame) -> None:
    logs, y = np.log(rows[["init_nlc", "trained_nlc"]].to_numpy()), rows["test_error"].to_numpy()
    generator = np.random.default_rng(5)

    def lead(drawn: np.ndarray) -> float:
        initial, trained = (abs(np.corrcoef(logs[drawn, i], y[drawn])[0, 1]) for i in range(2))
        return float(initial - trained)

    drawn = [lead(generator.integers(60, size=60)) for _ in range(800)]
    value, low, high = numbers(said(study, "Initial or trained NLC").partition("difference ")[2])
    assert value == pytest.approx(lead(np.arange(60)), abs=0.006)
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.05)


def test_the_effect_of_skip_connections_is_that_at_equal_nlc() -> None:
    generator, made = np.random.default_rng(2), []
    for index in range(80):
        skips, level = float(index % 2), generator.normal() + 2 - 1.0 * (index % 2)
        error = 0.3 + 0.05 * level - 0.1 * skips + 0.01 * generator.normal()
        kind = "batch" if skips or index % 4 else "none"
        fields = {"init_nlc": float(np.exp(level)), "skip_strength": skips, "normalization": kind}
        made.append(architecture_row(index, **fields, test_error=float(error)))
    tables = tables_of(made)
    value, low, high = numbers(said(tables, "Skip connections at equal NLC").partition("differs by ")[2])
    assert low <= -10 <= high
    assert value == pytest.approx(-10, abs=0.8)
    assert high - low < 2
    part = part_of(tables)
    having = part.rows["skip_strength"] > 0
    p = stats.mannwhitneyu(part.rows["init_nlc"][having], part.rows["init_nlc"][~having]).pvalue
    assert f"({having.sum()} architectures)" in said(tables, "Skip connections and the NLC")
    assert f"p = {p:.1e}" in said(tables, "Skip connections and the NLC")


def test_biases_are_counted() -> None:
    biases = [1.0, 2.0, 3.0, 40.0, 1500.0, 2500.0, *[5.0] * 14]
    errors = [0.1, 0.12, 0.3, 0.31, 0.66, 0.4, *[0.45] * 7, *[0.6] * 7]
    tables = tables_of(
        [architecture_row(i, init_bias=b, test_error=e) for i, (b, e) in enumerate(zip(biases, errors, strict=True))]
    )
    assert said(tables, "High output bias") == (
        "of 2 architectures with an initial bias above 1,000, 1 are better than guessing; of the 18 others, 11"
    )
    assert said(tables, "Low output bias") == (
        "the largest initial bias of the best 10% (2 architectures) is 2; 18 of all 20 have a larger one"
    )


@pytest.mark.parametrize(("errors", "verdict"), [([0.0] * 20, "as in the paper"), ([0.3] * 20, "why is open")])
def test_trainability_has_a_sentence_wherever_the_papers_correlation_lies(errors: list[float], verdict: str) -> None:
    generator = np.random.default_rng(0)
    rows = [
        architecture_row(i, criterion="training-error", init_nlc=float(np.exp(generator.normal())), train_error=e)
        for i, e in enumerate([*errors, 0.005, 0.05])
    ]
    here = said(tables_of(rows), "Trainability", "training-error")
    near = sum(e <= 0.01 for e in errors) + 1
    assert here.startswith(
        f"{near} of 22 architectures reach a training error of at most 1%, {21 - near} stay above 10%"
    )
    assert here.endswith(verdict)


def test_best_rates_at_the_ends_are_counted_and_checked_on_whole_sweeps_alone() -> None:
    tables = tables_of([architecture_row(i, runs=40, best_run=run) for i, run in enumerate((0, 10, 20, 39))])
    assert said(tables, "Best starting rate") == (
        "among the first or last 5 of 40 for 2 of 4 architectures that are better than guessing"
    )
    runs = tables.runs.assign(status=tables.runs["status"].mask(tables.runs["status"] != DIVERGED, "pruned"))
    cut = replace(tables, frames=tables.frames | {"runs": runs})
    assert "this does not check the paper, since" in said(cut, "Best starting rate")


def test_a_study_too_small_for_a_claim_does_not_make_it() -> None:
    tables = tables_of([architecture_row(i) for i in range(7)])
    assert [claim.about for claim in claims(part_of(tables), tables.runs)] == ["Best starting rate"]
    nothing = tables_of([architecture_row(i, test_error=None, init_nlc=None) for i in range(3)])
    assert claims(part_of(nothing), nothing.runs) == []


def test_a_claim_is_a_sentence_with_both_sides() -> None:
    assert Claim("Depth", "it does not matter", "it does").sentence == "Depth: it does. The paper: it does not matter."
