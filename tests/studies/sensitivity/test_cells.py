"""Grids, draws and twins of the kind sensitivity, and the ids of networks, cells and pairs."""

import math
from collections import Counter
from itertools import product
from typing import Any

import pytest

from distnlc.spec import Unit, derive_seed
from distnlc.studies.sensitivity.cells import Cell, can_be_drawn, chosen_cells, every_cell
from distnlc.studies.sensitivity.design import Networks, Training
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.units import known, network_of, seed_of, units
from tests.helpers.sensitivity_units import tiny

LISTS: dict[str, Any] = {"activations": ["relu", "tanh"], "widths": [4, 40], "depths": [2, 3], "scales": [1, 1, 2]}
OPTIMIZERS = {"momentum": [0.01, 0.02], "lbfgs": []}
SIZES = (64, 10)


def facts(spec: Spec) -> list[dict[str, Any]]:
    """What is known of every unit."""
    return [known(spec, unit, {unit.part: {"d_in": 64, "classes": 10, "train": 60}}) for unit in units(spec)]


def keys(spec: Spec) -> dict[tuple[Any, ...], str]:
    """Cell and seed -> unit id."""
    found = {}
    for unit in units(spec):
        cell, _, seed = network_of(spec.part(unit.part), unit.part, unit.index)
        found[cell, seed] = unit.unit_id
    return found


def test_a_part_without_a_draw_has_every_cell_of_its_lists_with_every_seed() -> None:
    spec = tiny(networks={**LISTS, "seeds": 2}, training={"optimizers": OPTIMIZERS, "batches": [5, 8]})
    settings = [("momentum", rate, batch) for rate in (0.01, 0.02) for batch in (5, 8)] + [("lbfgs", None, None)]
    expected = {
        (Cell(*shape, "true", "none", *setting), seed)
        for *shape, setting, seed in product(["relu", "tanh"], [4, 40], [2, 3], [1.0, 2.0], settings, [1, 2])
    }
    assert keys(spec).keys() == expected
    assert [unit.index for unit in units(spec)] == list(range(160))
    row = facts(spec)[0]
    assert (row["parameters"], row["neurons"], row["batch"], row["rate"]) == (64 * 4 + 40, 4, 5, 0.01)
    lbfgs = next(row for row in facts(spec) if row["optimizer"] == "lbfgs")
    assert (lbfgs["batch"], lbfgs["rate"]) == (60, None)


def test_more_seeds_draws_values_and_points_rename_no_unit_and_another_training_renames_all() -> None:
    fields: dict[str, Any] = {"networks": {**LISTS, "draw": 4}, "training": {"optimizers": OPTIMIZERS}}
    first = keys(tiny(**fields))
    assert len(set(first.values())) == 4
    for more in (
        {"networks": {**LISTS, "draw": 9, "seeds": 3}},
        {"networks": {**LISTS, "draw": 4}, "measure": {"points": 5, "trajectories": 9, "jacobian_points": 2}},
        {"networks": {**LISTS, "draw": 4, "twins": ["labels"]}},
    ):
        assert first.items() <= keys(tiny(**fields | more)).items()
    wider = keys(tiny(**fields | {"networks": {**LISTS, "widths": [4, 40, 400]}}))
    assert {cell: wider[cell] for cell in first} == first
    for other in ({"seed": 1}, {"data": {"separation": 5.0}}, {"measure": {"samples_per_shift": 8}}):
        assert not set(first.values()) & set(keys(tiny(**fields | other)).values())
    slower = {"optimizers": OPTIMIZERS, "momentum": 0.5}
    assert not set(first.values()) & set(keys(tiny(**fields | {"training": slower})).values())


def test_small_networks_and_values_given_twice_are_drawn_more_often_as_their_weights_say() -> None:
    """One of two cells: 40 and 4 units wide, the wider one named three times."""
    networks = Networks.parse({"activations": ["relu"], "widths": [4, 40, 40, 40], "depths": [2], "draw": 1})
    drawn = Counter(chosen_cells(networks, Training(), SIZES, seed, "part")[0].width for seed in range(2000))
    small = 1 / math.sqrt(74 * 4)
    share = small / (small + 3 / math.sqrt(74 * 40))
    assert drawn[4] / 2000 == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2000))


def test_a_draw_has_different_cells_of_its_own_in_each_part_and_none_of_more_than_a_billion_weights() -> None:
    networks = Networks.parse({**LISTS, "widths": [4, 40, 100_000], "depths": [2, 3], "draw": 15})
    cells = chosen_cells(networks, Training(), SIZES, 0, "part")
    assert len(set(cells)) == 15
    assert Cell("relu", 100_000, 3, 1.0, "true", "none", "momentum", 0.005, 256) not in cells
    assert len(can_be_drawn(every_cell(networks, Training()), SIZES)) == 20
    assert chosen_cells(networks, Training(), SIZES, 0, "other") != cells


def test_each_cell_is_trained_in_both_settings_of_every_factor_and_pairs_share_an_id() -> None:
    twins = ["labels", "augmentation", "activation", "optimizer"]
    spec = tiny(networks={"activations": ["relu", "tanh"], "twins": twins, "seeds": 2})
    rows = facts(spec)
    assert len(rows) == 2 * (2 + 2 * 3 + 1)  # a relu network has four twins, a tanh network three
    settings = {"labels": "random", "augmentation": "shift-flip", "activation": "hardsigmoid", "optimizer": "lbfgs"}
    for factor, other in settings.items():
        paired = [row for row in rows if row.get(f"pair_{factor}")]
        groups = {row[f"pair_{factor}"] for row in paired}
        assert len(groups) == (1 if factor == "activation" else 2)
        for group in groups:
            members = [row for row in paired if row[f"pair_{factor}"] == group]
            assert Counter(row[factor] == other for row in members) == {True: 2, False: 2}
            shared = [name for name in settings if name != factor] + ["width", "depth", "scale"]
            assert all(len({row[name] for row in members}) == 1 for name in shared)
    assert all("pair_labels" not in row for row in rows if row["optimizer"] == "lbfgs")
    assert len({row["cell_id"] for row in rows}) == len(rows) / 2


def test_a_twin_that_is_a_cell_itself_is_trained_once_and_is_in_its_own_pairs_too() -> None:
    spec = tiny(networks={"activations": ["relu", "hardsigmoid"], "twins": ["activation", "labels"]})
    rows = facts(spec)
    assert len(rows) == 4
    assert len({row["pair_activation"] for row in rows if "pair_activation" in row}) == 1
    assert all("pair_labels" in row for row in rows)


def test_momentum_networks_of_several_rates_and_batches_share_the_pair_of_their_lbfgs_twin() -> None:
    training = {"optimizers": {"momentum": [0.01, 0.02], "adam": [0.001]}, "batches": [5, 8]}
    rows = facts(tiny(networks={"twins": ["optimizer"]}, training=training))
    paired = [row for row in rows if "pair_optimizer" in row]
    assert Counter(row["optimizer"] for row in paired) == {"momentum": 4, "lbfgs": 1}
    assert len({row["pair_optimizer"] for row in paired}) == 1
    assert sum(row["optimizer"] == "lbfgs" for row in rows) == 1


def test_twins_begin_with_the_same_weights_and_other_seeds_and_shapes_with_others() -> None:
    spec = tiny(networks={"twins": ["labels", "activation"], "seeds": 2, "widths": [7, 8]})
    seeds = {}
    for unit in units(spec):
        cell, _, seed = network_of(spec, unit.part, unit.index)
        seeds.setdefault((cell.width, seed), set()).add(seed_of(spec, cell, seed))
    assert all(len(each) == 1 for each in seeds.values())
    assert len(set().union(*seeds.values())) == 4
    assert seeds[7, 1] == {derive_seed("sensitivity", 0, 7, 3, 1)}


def test_a_label_says_which_network_it_is() -> None:
    spec = tiny(networks={"twins": ["labels"]})
    labels = [unit.label for unit in units(spec) if isinstance(unit, Unit)]
    assert labels == [
        "study: relu, D 3, w 7, momentum 0.01, seed 1",
        "study: relu, D 3, w 7, momentum 0.01, random labels, seed 1",
    ]
