"""Verdicts tell a study in which the paper's claims hold from one in which sensitivity says nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.report.criteria import Criterion, tally
from distnlc.analysis.sensitivity import acceptance, bounds
from distnlc.analysis.sensitivity.comparisons import caveat, every_pairs
from distnlc.analysis.sensitivity.report import REPORT
from distnlc.analysis.tables import Tables
from tests.helpers.sensitivity_rows import network, tables_of
from tests.helpers.synthetic_sensitivity import sensitivity_tables

BY_CHANCE = {
    "random ellipses flat",  # they are
    "means in the order",
    "among misclassified points Spearman",
    "more points misclassified",
    "Spearman of transitions and gap below",
    "transitions fail",
}
"""what a study without any effect may fulfil"""


@pytest.fixture(scope="module")
def holding() -> Tables:
    return sensitivity_tables()


@pytest.fixture(scope="module")
def failing() -> Tables:
    return sensitivity_tables(claims=False)


@pytest.fixture(scope="module")
def found(holding: Tables) -> list[Criterion]:
    return acceptance.criteria(holding)


@pytest.fixture(scope="module")
def found_failing(failing: Tables) -> list[Criterion]:
    return acceptance.criteria(failing)


@pytest.fixture(scope="module")
def found_large(holding: Tables) -> list[Criterion]:
    """At the paper's size."""
    return acceptance.criteria(with_networks(holding, lambda rows: rows.assign(train_points=50_000)))


def with_networks(tables: Tables, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Tables:
    return replace(tables, frames=tables.frames | {"networks": change(tables.networks)})


def test_everything_asked_for_holds_where_the_claims_hold(found: list[Criterion]) -> None:
    assert [one.sentence for one in found if one.asked and not one.holds] == []
    assert {one.figure for one in found if one.asked} == {"2", "3", "4", "5", "6", "App. 8", "App. 11"}


def test_what_is_asked_for_does_not_hold_where_sensitivity_says_nothing(found_failing: list[Criterion]) -> None:
    wrong = [
        one.sentence
        for one in found_failing
        if one.asked and one.holds and "before training" not in one.claim
        if not any(one.claim.startswith(each) for each in BY_CHANCE)
    ]
    assert wrong == []


def test_the_same_claims_are_judged_in_both(found: list[Criterion], found_failing: list[Criterion]) -> None:
    assert [(one.where, one.claim) for one in found] == [(one.where, one.claim) for one in found_failing]


def test_at_the_paper_s_size_its_claims_are_asked_for(found: list[Criterion], found_large: list[Criterion]) -> None:
    extra = [one for one in found_large if not one.asked]
    assert {one.claim.split(",")[0] for one in extra} <= {
        "more than half of the top tenth of Jacobian norms misclassified"  # on MNIST alone
    }
    asked = {(one.where, one.claim) for one in found_large if one.asked}
    assert ("3", "after training density near the points to that opposite at most 0.5") in asked
    assert ("4, augmentation", "higher test accuracy with augmentation in a share of at least 1") in asked
    assert not any(one.figure == "1" for one in found if one.asked)


def test_a_dip_that_would_not_do_at_the_paper_s_size_says_so(found: list[Criterion]) -> None:
    (small,) = [one for one in found if one.where == "2, transitions" and "through one class" in one.claim]
    assert small.holds
    assert "at most 1, the interval below 1" in small.claim
    assert small.evidence.endswith("; above 0.5, which is asked at the paper's size.")


def test_a_share_that_would_not_do_at_the_paper_s_size_says_so(holding: Tables) -> None:
    def near_7(tables: Tables) -> Criterion:
        (found,) = [one for one in bounds.criteria(tables) if "of (7)" in one.claim]
        return found

    assert near_7(holding).evidence.endswith("1.000.")
    first = holding.points["unit_id"].isin(holding.networks.query("part == 'bounds'")["unit_id"])
    far = (first & (holding.points.groupby("unit_id").cumcount() % 100 < 22)).map({True: 10.0, False: 1.0})
    points = holding.points.assign(jacobian_norm=holding.points["jacobian_norm"] * far)
    fewer = near_7(replace(holding, frames=holding.frames | {"points": points}))
    assert fewer.holds
    assert fewer.evidence.endswith("; below 0.8, which is asked at the paper's size.")


def test_a_tenth_is_not_called_mostly_misclassified_where_most_points_are(found: list[Criterion]) -> None:
    mostly = {one.where: one for one in found if one.claim.startswith("more than half of the top tenth")}
    on_cifar10 = mostly["6, CIFAR10, cross-entropy"]
    top, of_all = on_cifar10.evidence.removesuffix(".").split("top tenth ")[1].split("; of all points ")
    assert all(float(each) > 0.5 for each in (*top.split(", "), *of_all.split(", ")))
    assert on_cifar10.holds is False
    assert not on_cifar10.asked


def test_losses_that_the_stop_sets_get_no_verdict(found: list[Criterion], found_large: list[Criterion]) -> None:
    about_losses = [one for one in found if one.figure == "1" and "training loss" in one.claim]
    assert [one.holds for one in about_losses] == [None, None]
    assert about_losses[0].verdict == "no verdict: where a training stops once it is fitted, the stop sets its loss"
    assert None not in [one.holds for one in found_large if one.figure == "1"]


def test_pairs_say_where_their_trainings_ended(holding: Tables) -> None:
    def caveats(tables: Tables) -> dict[str, str]:
        return {one.factor: caveat(one) for one in every_pairs(tables)}

    lower = with_networks(
        holding, lambda rows: rows.assign(train_loss=(rows["optimizer"] == "lbfgs").map({True: 0.005, False: 0.02}))
    )
    said = caveats(lower)
    assert said["optimizer"] == (
        "Training losses by L-BFGS are 0.25 times those by SGD with momentum (median); where they are not lower, the "
        "Jacobian norm is the larger one in 0 of 0 pairs."
    )
    assert "of which" in said["augmentation"]
    large = with_networks(holding, lambda rows: rows.assign(train_points=50_000))
    assert set(caveats(large).values()) == {""}


def test_few_pairs_networks_and_rows_get_no_verdict() -> None:
    rows: list[dict[str, Any]] = []
    for index in range(4):
        about = {"pair_labels": f"p{index}", "gap": 0.7 + 0.01 * index, "jacobian_norm": 1.0 + index}
        rows.append(network("labels", index, **about))
        rows.append(network("labels", index + 50, **(about | {"labels": "random", "gap": 0.9})))
    tables = tables_of(rows)
    found = acceptance.criteria(tables)
    assert {one.holds for one in found} == {None}
    labels = next(one for one in found if one.where == "4, labels, CIFAR10")
    assert labels.verdict == "no verdict: 4 pairs, at least 5 decide"
    assert labels.evidence.startswith("4 of 4 [0.51, 1.00]")  # the interval is shown
    figure5 = next(one for one in found if one.figure == "5")
    assert figure5.verdict == "no verdict: 4 networks, at least 10 decide"
    assert "Spearman 1.00" in figure5.evidence


def test_a_study_that_still_runs_says_how_many_pairs_wait() -> None:
    whole = sensitivity_tables(parts=["labels"])
    partly = with_networks(whole, lambda rows: rows[(rows["labels"] == "true") | (rows["index"] < 26)])
    said = [line for part in REPORT.answers(partly).parts for line in part.sentences]
    assert "Left out of the pairs of labels: 4 pairs (4 other missing)." in said


@pytest.mark.slow
def test_answers_are_sentences_with_negatives_listed(holding: Tables, failing: Tables) -> None:
    answers = REPORT.answers(holding)
    assert answers.overview[0] == (
        "Of 30 pairs on CIFAR10 that differ in labels alone, 30 have the larger Jacobian norm with random labels."
    )
    assert answers.work[0].startswith("236 networks (0 failed), 223 of them fitted")
    titles = {part.title: part for part in answers.parts}
    negatives = titles["Claims of the paper that these rows do not show"].sentences
    assert any(line.startswith("Figure 1, the 5% with the lowest gaps") for line in negatives)
    assert all("not shown" in line for line in negatives)
    wrong = [line for part in REPORT.answers(failing).parts for line in part.sentences if "does not hold" in line]
    assert any(line.startswith("Figure 4, labels, CIFAR10, Jacobian norm above the diagonal") for line in wrong)


def test_a_tally_names_the_figures(found_failing: list[Criterion]) -> None:
    first, second = tally(found_failing)
    assert first.endswith("do not (figures 2, 3, 4, 5, App. 8, 6, App. 11).")
    assert second.startswith("Of 13 further claims of the paper")
    assert second.endswith("; 2 have no verdict.")


def test_an_empty_study_has_answers_and_says_what_is_missing() -> None:
    empty = tables_of([])
    assert REPORT.answers(empty).work == ["0 networks (0 failed), 0 of them fitted, 0 s one after the other"]
    for table in REPORT.tables:
        with pytest.raises(MissingRecordsError):
            table.tabulate(empty)
