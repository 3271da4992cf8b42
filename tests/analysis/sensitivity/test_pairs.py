"""Pairs against a plain loop over networks, every reason for which one is left out, and the cells of populations."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from distnlc import analysis
from distnlc.analysis.sensitivity.cells import cells_of, clusters
from distnlc.analysis.sensitivity.comparisons import comparisons
from distnlc.analysis.sensitivity.pairs import pairs_of
from distnlc.analysis.sensitivity.populations import populations
from distnlc.analysis.tables import Tables
from tests.helpers.sensitivity_rows import network, tables_of
from tests.helpers.synthetic_sensitivity import sensitivity_tables

FAILED: dict[str, Any] = {"status": "failed", "fitted": None, "stop": None, "gap": None, "jacobian_norm": None}
DIVERGED: dict[str, Any] = {"fitted": False, "stop": "diverged", "gap": None, "jacobian_norm": None}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return tables_of(rows).networks


def two(pair: str, index: int, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """A network with true labels and one with random ones."""
    return [
        network("labels", index, pair_labels=pair, **x),
        network("labels", index + 100, pair_labels=pair, labels="random", **y),
    ]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sensitivity_tables()


@pytest.mark.parametrize("factor", ["labels", "augmentation", "activation", "optimizer"])
def test_pairs_are_those_of_a_plain_loop(factor: str, tables: Tables) -> None:
    networks = tables.networks
    found = pairs_of(networks, factor).frame
    good = {"labels": "true", "augmentation": "shift-flip", "activation": "relu", "optimizer": "momentum"}[factor]
    count = 0
    for pair, rows in networks.groupby(f"pair_{factor}"):
        x, y = rows[rows[factor] == good], rows[rows[factor] != good]
        fitted = bool((y if factor == "augmentation" else rows)["fitted"].all())
        own = found[found["pair"] == pair]
        assert len(own) == fitted
        if fitted:
            count += 1
            for metric in ("gap", "jacobian_norm", "transitions"):
                assert own[f"x_{metric}"].item() == pytest.approx(x[metric].mean())
                assert own[f"y_{metric}"].item() == pytest.approx(y[metric].mean())
                error = y[metric].std() / math.sqrt(len(y))
                assert own[f"y_sem_{metric}"].item() == pytest.approx(error, nan_ok=True)
            assert own["seeds"].item() == min(len(x), len(y))
    assert len(found) == count > 5


def test_the_library_gives_the_frame() -> None:
    networks = sensitivity_tables(parts=["labels"]).networks
    found = analysis.pairs(networks, "labels")
    assert {"pair", "x_gap", "y_gap", "x_jacobian_norm", "x_sem_gap", "seeds", "width"} <= set(found)
    assert (found["labels"] == "true").all()
    with pytest.raises(ValueError, match=r"no pairs of 'seed'; there are: labels, augmentation, activation, optimizer"):
        analysis.pairs(networks, "seed")


def test_a_pair_is_left_out_by_the_first_reason_that_holds() -> None:
    misfit: dict[str, Any] = {"fitted": False, "stop": "steps"}
    rows = [
        *two("both", 0, {}, {}),
        *two("misfit", 1, {}, misfit),
        *two("neither", 2, misfit, DIVERGED),
        *two("diverged", 3, {}, DIVERGED),
        *two("given up", 4, FAILED, {}),
        *two("alone", 5, {}, {})[1:],
    ]
    found = pairs_of(frame(*rows), "labels")
    assert found.frame["pair"].tolist() == ["both"]
    assert found.left_out == {"other not fitted": 2, "neither fitted": 1, "failed": 1, "other missing": 1}


def test_seeds_that_were_given_up_do_not_count_and_one_misfit_spoils_its_side() -> None:
    rows = [
        *two("a", 0, {"gap": 0.5}, {"gap": 0.9}),
        *two("a", 1, {"gap": 0.7, "seed": 2}, FAILED | {"seed": 2}),
        *two("b", 2, {}, {}),
        *two("b", 3, {"seed": 2}, {"seed": 2, "fitted": False}),
    ]
    found = pairs_of(frame(*rows), "labels")
    assert found.frame[["pair", "x_gap", "y_gap", "seeds"]].to_numpy().tolist() == [["a", pytest.approx(0.6), 0.9, 1]]
    assert found.left_out == {"other not fitted": 1}


def test_networks_with_augmentation_need_not_be_fitted_but_must_not_diverge() -> None:
    plain: dict[str, Any] = {"part": "augmentation"}

    def pair(name: str, index: int, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
        shared = {"pair_augmentation": name}
        return [
            network("augmentation", index, augmentation="shift-flip", **shared, **x),
            network("augmentation", index + 100, **shared, **y),
        ]

    misfit = {"fitted": False, "train_accuracy": 0.6}
    rows = [*pair("a", 0, misfit, {}), *pair("b", 1, DIVERGED, {}), *pair("c", 2, {}, misfit)]
    found = pairs_of(frame(*rows), "augmentation")
    assert plain["part"] == found.frame["part"].item()
    assert found.frame["pair"].tolist() == ["a"]
    assert found.left_out == {"other not fitted": 2}


def test_momentum_is_a_mean_over_its_rates_and_batches() -> None:
    rates = [network("optimizers", i, pair_optimizer="a", rate=rate, gap=rate) for i, rate in enumerate((0.1, 0.3))]
    full = network("optimizers", 9, pair_optimizer="a", optimizer="lbfgs", rate=None, gap=0.4)
    found = pairs_of(frame(*rates, full), "optimizer").frame
    assert found["x_gap"].item() == pytest.approx(0.2)
    assert found["y_gap"].item() == 0.4


def test_no_pairs_are_no_error() -> None:
    found = pairs_of(frame(network("mine", 0)), "labels")
    assert found.frame.empty
    assert found.left_out == {}
    assert comparisons(found) == []


def test_means_that_few_points_carry_are_left_out_of_a_second_share() -> None:
    rows = two("a", 0, {}, {"jacobian_norm": 2.0}) + two(
        "b", 1, {}, {"jacobian_norm": 3.0, "jacobian_effective_points": 12.0}
    )
    (jacobian,) = (one for one in comparisons(pairs_of(frame(*rows), "labels")) if one.metric == "jacobian_norm")
    assert (jacobian.share.count, jacobian.share.n) == (2, 2)
    assert (jacobian.reliable.count, jacobian.reliable.n) == (1, 1)


def test_a_cell_is_a_mean_over_seeds_and_counts_if_all_of_them_are_fitted() -> None:
    rows = [
        network("mnist", 0, cell_id="a", gap=0.1),
        network("mnist", 1, cell_id="a", gap=0.3, seed=2),
        network("mnist", 2, cell_id="b"),
        network("mnist", 3, cell_id="b", seed=2, fitted=False),
        network("mnist", 4, cell_id="c", **DIVERGED),
        network("mnist", 5, cell_id=None, **FAILED),
    ]
    found = cells_of(frame(*rows))
    assert found.frame["cell_id"].tolist() == ["a"]
    assert found.frame["gap"].item() == pytest.approx(0.2)
    assert found.frame["sem_gap"].item() == pytest.approx(0.1)
    assert found.networks == 6
    assert found.left_out == {"another seed not fitted": 1, "not fitted": 1, "diverged": 1, "failed": 1}


def test_twins_and_seeds_share_a_cluster_also_over_two_factors() -> None:
    rows = [
        network("large", 0, cell_id="a", pair_labels="l", pair_activation="p"),
        network("large", 1, cell_id="a", pair_labels="l", pair_activation="p", seed=2),
        network("large", 2, cell_id="b", pair_labels="l"),
        network("large", 3, cell_id="c", pair_activation="p"),
        network("large", 4, cell_id="d"),
    ]
    found = clusters(frame(*rows))
    assert len(set(found[:4])) == 1
    assert found[4] != found[0]


def test_populations_are_true_labels_of_parts_that_vary_networks(tables: Tables) -> None:
    found = {one.name: one for one in populations(tables)}
    assert list(found) == ["CIFAR10", "MNIST"]
    rows = tables.networks
    own = rows[rows["part"].isin(["labels", "activations"]) & (rows["labels"] == "true") & rows["fitted"]]
    assert len(found["CIFAR10"].frame) == len(own)
    assert found["CIFAR10"].cells.left_out == {"not fitted": 1}
    assert (found["MNIST"].frame["seeds"] == 2).all()
    assert np.unique(found["CIFAR10"].frame["cluster"]).size == 46  # 30 cells, and 16 with twins
