"""Units of the kind moments: blocks, seeds, presets, mistakes, and what a failed one leaves."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from distnlc.data import dataset
from distnlc.data.folders import DataError
from distnlc.engine.failures import failed_records
from distnlc.plugins import Work
from distnlc.records import FAILED, OK
from distnlc.spec import SpecError, spec_id
from distnlc.studies import resolve
from distnlc.studies.moments import KIND
from distnlc.studies.moments.cost import estimate, seconds
from distnlc.studies.moments.spec import Spec, images_of
from distnlc.studies.moments.unit import prepare, run
from distnlc.studies.moments.units import rows, seed_of, simulations, units

TINY = ("width=16", "simulations=5", "parts.FC2.depth=4", "parts.FC3-64.depth=4", "parts.FC4.depth=5")
PAPER = {
    **dict.fromkeys(("Fig2", "S1", "FC1"), (10_000, 4)),
    **dict.fromkeys(("Fig3", "Fig4", "Fig5"), (1_000, 100)),
    **dict.fromkeys(
        ("S2", "S3", "S4", "S5", "S6", "FC2", "FC3-64", "FC3-128", "FC3-256", "FC3-512", "FC4"), (200, 100)
    ),
}
"""part -> simulations, measured layers (section 6)"""


def spec_of(preset: str, *assignments: str) -> Spec:
    spec = resolve(preset, assignments)
    assert isinstance(spec, Spec)
    return spec


def layers_of(spec: Spec, part: str) -> list[dict[str, object]]:
    """The rows of a part's simulations without the ids of their units."""
    of_part = [unit for unit in units(spec) if unit.part == part]
    found = [row for unit in of_part for row in run(spec, unit, Work())["layers"]]
    return [{name: value for name, value in asdict(row).items() if name != "unit_id"} for row in found]


def test_the_paper_s_preset_has_every_network_with_its_simulations_and_layers() -> None:
    spec = spec_of("moments")
    found = {name: spec.part(name) for name in spec.part_names()}
    assert {name: (part.simulations, part.depth // part.measure_every) for name, part in found.items()} == PAPER
    assert rows(spec)["layers"] == sum(simulations * layers for simulations, layers in PAPER.values())
    assert {name for name, part in found.items() if part.kernel == 1} == {name for name in PAPER if name[:2] == "FC"}
    assert Counter(part.net for part in found.values()) == {"vanilla": 7, "bn_ff": 8, "bn_res": 2}


def test_the_small_preset_has_the_fully_connected_networks_at_full_size_and_thin_convolutions() -> None:
    small, paper = spec_of("moments-small"), spec_of("moments")
    for name in small.part_names():
        part, full = small.part(name), paper.part(name.removesuffix("-thin"))
        assert (part.net, part.boundary, part.epsilon) == (full.net, full.boundary, full.epsilon)
        if part.kernel == 1:
            assert (part.width, part.depth, part.batch) == (full.width, full.depth, full.batch)
        else:
            assert (part.width, part.batch, part.data.crop, part.simulations) == (64, 16, 16, 40)
    assert small.part("FC1").simulations == 1000


def test_another_block_size_gives_the_same_simulations() -> None:
    by_block = [layers_of(spec_of("moments-quick", *TINY, f"block={block}"), "FC3-64") for block in (1, 2, 10)]
    assert by_block[0] == by_block[1] == by_block[2]
    assert [row["simulation"] for row in by_block[0]] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len({row["chi"] for row in by_block[0]}) == 10


def test_a_block_is_named_by_its_simulations_and_the_last_may_be_smaller() -> None:
    spec = spec_of("moments-quick", *TINY, "block=2")
    of_part = [unit for unit in units(spec) if unit.part == "FC2"]
    assert [list(simulations(spec.part("FC2"), unit.index)) for unit in of_part] == [[0, 1], [2, 3], [4]]
    assert [unit.label for unit in of_part][2] == "FC2: simulations 4 to 4"
    assert of_part[0].cost == 2 * of_part[2].cost
    (block,) = run(spec, of_part[2], Work())["blocks"]
    assert (block.status, block.simulations, block.first_simulation, block.net) == (OK, 1, 4, "vanilla")
    assert (block.input, block.batch, block.depth, block.epsilon) == ("gaussian-images", 64, 4, 0.001)


def test_a_simulation_s_seed_is_fixed_by_study_part_and_number() -> None:
    spec, other = spec_of("moments-quick"), spec_of("moments-quick", "seed=1", "width=3")
    seeds = [
        seed_of(each.part(name), name, number) for each in (spec, other) for name in ("FC2", "FC4") for number in (0, 1)
    ]
    assert len(set(seeds)) == 8
    assert seed_of(spec_of("moments-quick", "width=3").part("FC2"), "FC2", 0) == seeds[0]


def test_the_precision_is_part_of_what_fixes_the_result() -> None:
    assert spec_id(spec_of("moments-quick", "dtype=float64")) != spec_id(spec_of("moments-quick"))


def test_a_quantity_that_a_net_has_not_is_empty() -> None:
    spec = spec_of("moments-quick", *TINY)
    empty = {"delta_bn", "delta_phi", "delta_bn_predicted", "delta_phi_predicted", "kurtosis_z", "mean_abs_z"}
    for part, expected in (("FC2", empty), ("FC3-64", set()), ("FC4", set())):
        (names,) = {frozenset(name for name, value in row.items() if value is None) for row in layers_of(spec, part)}
        assert names == expected


def test_the_precisions_agree_in_every_mean() -> None:
    means = []
    for dtype in ("float32", "float64"):
        spec = spec_of("moments-quick", "width=64", "simulations=4", "parts.FC3-64.depth=20", f"dtype={dtype}")
        found = layers_of(spec, "FC3-64")
        names = [name for name, value in found[0].items() if isinstance(value, float)]
        means.append(
            [np.mean([row[name] for row in found if row["layer"] == layer]) for name in names for layer in (2, 10, 20)]
        )
    assert means[0] == pytest.approx(means[1], rel=1e-3)


def test_a_failed_unit_says_which_networks_it_was_to_simulate() -> None:
    spec = spec_of("moments-quick")
    unit = next(unit for unit in units(spec) if (unit.part, unit.index) == ("FC4", 3))
    facts = prepare(spec, ["FC4"])
    assert facts["FC4"]["name"] == "gaussian-images"
    records = failed_records(KIND, spec, facts, unit, "gone", seconds=1.0, attempts=2)
    (row,) = records["blocks"]
    assert (row.status, row.reason, row.net, row.first_simulation) == (FAILED, "gone", "bn_res", 30)
    assert records["layers"] == []


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("kernel=2", "'kernel': Input should be 1 or 3, but got 2"),
        ("batch=2000", "batch = 2000 is larger than the dataset, of which data.train = 1000 images are used"),
        ("parts.FC2={kernel: 3, data: {shape: [3, 4, 4]}}", "needs at least 3 x 3 positions, .* leaves 2 x 2 of"),
        ("parts.FC2={kernel: 3, data: {crop: 3}}", "needs at least 3 x 3 positions"),
        ("parts.FC2={kernel: 3, data: {shape: [12]}}", "kernel = 3 needs square images .* has 12"),
        ("width=1", "'width': Input should be greater than or equal to 2"),
        ("parts.FC2.measure_every=3", "depth = 200 is not a multiple of measure_every = 3"),
        ("parts.FC2.simulations=0", "part FC2: 'simulations': Input should be greater than 0"),
        ("dtype=float16", "'dtype': Input should be 'float32' or 'float64'"),
    ],
)
def test_a_study_that_cannot_be_simulated_is_refused_in_one_line(assignment: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint) as caught:
        spec_of("moments-quick", assignment)
    assert len(str(caught.value).splitlines()) == 1
    assert "whole spec" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_images_that_only_the_files_count_are_checked_before_any_unit(tmp_path: Path) -> None:
    for name, images in (("few", np.zeros((50, 3, 8, 8))), ("flat", np.zeros((500, 12)))):
        np.savez(
            tmp_path / f"{name}.npz",
            inputs=images + np.arange(len(images)).reshape(-1, *[1] * (images.ndim - 1)),
            labels=np.arange(len(images)) % 2,
        )

    def study(name: str, **fields: object) -> Spec:
        data = {"name": "npz", "file": str(tmp_path / f"{name}.npz"), "preparation": "raw"}
        return Spec.parse({"kind": "moments", "data": data} | fields)

    with pytest.raises(
        DataError, match=r"part study: batch = 64 is larger than the dataset, of which data\.train = 30"
    ):
        prepare(study("few"), ["study"])
    with pytest.raises(DataError, match="part study: kernel = 3 needs square images"):
        prepare(study("flat", kernel=3), ["study"])
    assert prepare(study("few", kernel=3, batch=16), ["study"])["study"]["train"] == 30


def test_images_are_as_they_are_unless_a_preparation_is_named(tmp_path: Path) -> None:
    """CIFAR10's own preparation would project its images onto 810 features, and the study still call them CIFAR10's."""
    images = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8)).astype(float)
    np.savez(tmp_path / "images.npz", inputs=images, labels=np.arange(60) % 2)
    data = {"name": "npz", "file": str(tmp_path / "images.npz")}
    of_presets = [spec_of(preset) for preset in ("moments-quick", "moments-small")]
    assert all(images_of(each.part(name)) == each.part(name).data for each in of_presets for name in each.part_names())
    assert images_of(spec_of("moments-quick", "data.name=cifar10").part("FC2")).preparation == "raw"
    study = Spec.parse({"kind": "moments", "data": data, "batch": 8})
    assert prepare(study, ["study"])["study"]["preparation"] == "raw"
    assert set(dataset.load(images_of(study), 0).train_inputs.unique().tolist()) <= set(map(float, range(256)))
    named = Spec.parse({"kind": "moments", "data": data | {"preparation": "features"}, "batch": 8})
    assert images_of(named) == named.data


def test_the_time_of_a_unit_is_measured_of_each_part() -> None:
    spec = spec_of("moments-quick", *TINY, "block=2")
    todo = units(spec)
    found = seconds(spec, todo, "cpu")
    assert len(found) == len(todo)
    assert min(found) > 0
    by_unit = dict(zip([(unit.part, unit.index) for unit in todo], found, strict=True))
    assert by_unit["FC2", 0] == pytest.approx(2 * by_unit["FC2", 2])


@pytest.mark.slow
def test_on_a_gpu_that_is_not_here_a_model_tells_the_time() -> None:
    spec = spec_of("moments")
    todo = units(spec)
    found, told = estimate(spec, todo)
    assert told.startswith("NVIDIA H200, estimated by a model")
    by_part = Counter[str]()
    for unit, each in zip(todo, found, strict=True):
        by_part[unit.part] += each
    products_s, measured_s = 1_000 * 3.1e13 / 40e12, 1_000 * 100 * 0.01  # section 9: 3.1e13 operations a simulation
    assert by_part["Fig3"] == pytest.approx(products_s + measured_s, rel=0.02)
    assert by_part["Fig5"] == pytest.approx(5 * products_s + measured_s, rel=0.02)
