"""Every mistake in a study of sensitivity is answered in one clear line."""

from pathlib import Path
from typing import Any

import pytest

from distnlc.data.folders import DataError
from distnlc.spec import SpecError
from distnlc.studies.sensitivity import unit as work
from distnlc.studies.sensitivity.spec import Spec
from tests.helpers.data_files import write_mnist
from tests.helpers.sensitivity_units import tiny

BATCHES = {"batches": [8]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"networks": {"depths": [3, 1]}},
            r"'networks.depths.1': Input should be greater than or equal to 2, but got 1",
        ),
        ({"networks": {"widths": [0]}}, r"'networks.widths.0': Input should be greater than 0, but got 0"),
        ({"networks": {"scales": []}}, r"'networks.scales': expected at least one value"),
        ({"training": {"batches": []}}, r"'training.batches': expected at least one value"),
        (
            {"networks": {"activations": ["gelu"]}},
            r"'relu', 'relu6', 'tanh', 'hardtanh' or 'hardsigmoid', but got 'gelu'",
        ),
        ({"networks": {"twins": ["width"]}}, r"'labels', 'augmentation', 'activation' or 'optimizer', but got 'width'"),
        (
            {"training": {"optimizers": {"lion": [1.0]}}},
            r"'sgd', 'momentum', 'adam', 'rmsprop' or 'lbfgs', but got 'lion'",
        ),
        ({"training": {"optimizers": {"adam": []}}}, r"'training.optimizers': adam needs learning rates, such as"),
        ({"training": {"optimizers": {"lbfgs": [0.1]}}}, r"'training.optimizers': lbfgs needs no learning rates, \[\]"),
        ({"networks": {"draw": 5}}, r"networks.draw = 5 is more than the 1 different cells that the lists"),
        (
            {"networks": {"twins": ["optimizer"]}, "training": {"optimizers": {"adam": [0.001]}}},
            r"networks.twins: optimizer needs networks trained by momentum, and the part has none",
        ),
        (
            {"networks": {"twins": ["activation"], "activations": ["tanh"]}},
            r"networks.twins: activation needs networks of relu or hardsigmoid, and the part has none",
        ),
        (
            {"networks": {"twins": ["labels"]}, "training": {"labels": "random"}},
            r"networks.twins: labels needs networks with labels: true, and the part has none",
        ),
        (
            {"networks": {"twins": ["augmentation"]}, "training": {"augmentation": "shift-flip"}},
            r"networks.twins: augmentation needs networks without augmentation that are trained by minibatches",
        ),
        (
            {"training": {"augmentation": "shift-flip", "optimizers": {"lbfgs": []}}},
            r"training.augmentation: lbfgs trains on all images as they are; take it out of the part",
        ),
        ({"training": {"batches": [8, 61]}}, r"training.batches: 61 points are more than data.train = 60"),
        ({"data": {"labels": "random"}}, r"data.labels: in this study training.labels makes labels random"),
        ({"data": {"name": "waveform-noise", "crop": 4}}, r"'data.crop': waveform-noise has no use for it"),
        ({"data": {"name": "mnist", "crop": 29}}, r"'data.crop': the points of mnist are 1 x 28 x 28, but got 29"),
        ({"measure": {"ellipse_bins": 100}}, r"'measure.ellipse_bins': Input should be a multiple of 6, but got 100"),
        ({"measure": {"grid": 16}}, r"'measure.grid': Input should be greater than or equal to 32, but got 16"),
        ({"parts": {"a": {}, "b": {"networks": {"seeds": 3}}}}, r"the parts \['a', 'b'\] would do the same work"),
        ({"parts": {"a": {}, "b": {"measure": {"points": 3}}}}, r"the parts \['a', 'b'\] would do the same work"),
        ({"parts": {"a": {"seed": 1}}}, r"part 'a' sets \['seed'\], which a part cannot"),
        ({"measure": {"elipses": 1}}, r"unknown field 'measure.elipses'; known here: ellipse_bins, .*"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        tiny(**fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": {"name": "waveform-noise"}}, r"translations of images, but waveform-noise has points of 40; set"),
        (
            {
                "data": {"name": "waveform-noise"},
                "measure": {"trajectories": 0},
                "networks": {"twins": ["augmentation"]},
            },
            r"waveform-noise: augmentation is for images \(\.\.\., height, width\), found points of 40",
        ),
        (
            {
                "data": {"name": "gaussian-images", "shape": [1, 4, 6]},
                "training": {"augmentation": "shift-flip-rotate"},
            },
            r"gaussian-images: shift-flip-rotate turns images, which must be square, found 1 x 4 x 6",
        ),
        ({"data": {"test": 0}}, r"networks are measured on test points, but data.test = 0"),
    ],
)
def test_data_that_a_part_cannot_use_are_refused_before_any_work(fields: dict[str, Any], message: str) -> None:
    spec = tiny(**fields)
    with pytest.raises(SpecError, match=message) as caught:
        work.prepare(spec, spec.part_names())
    assert str(caught.value).startswith("part study: ")
    assert "\n" not in str(caught.value)


def test_too_few_points_of_a_class_for_ellipses_are_refused_before_any_work() -> None:
    spec = tiny(data={"train": 8}, measure={"ellipses": 1})
    with pytest.raises(DataError, match=r"part study: clusters: .* the largest class has 2 and there are \d; set"):
        work.prepare(spec, spec.part_names())


def test_more_images_than_the_file_has_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    spec = tiny(data={"name": "mnist", "train": 31, "test": 10, "root": str(tmp_path)})
    with pytest.raises(DataError, match=r"train \+ validation = 31 points are asked for and there are 30"):
        work.prepare(spec, spec.part_names())


def test_images_are_put_on_the_sphere_and_all_50000_are_the_first_of_the_file() -> None:
    whole = Spec.parse({"kind": "sensitivity"}).data_spec
    assert (whole.preparation, whole.validation, whole.train, whole.first) == ("sphere", 0, 50_000, 50_000)
    named = Spec.parse({"kind": "sensitivity", "data": {"name": "cifar100"}}).data_spec
    assert (named.train, named.first) == (50_000, 50_000)
    some = Spec.parse({"kind": "sensitivity", "data": {"name": "mnist", "train": 1000}}).data_spec
    assert (some.train, some.first) == (1000, None)
    assert tiny().data_spec.first is None
