"""The bench's plain loop measures what the study measures; `plan` knows the time of every part."""

import pytest

from distnlc.studies.gradients.cost import seconds
from distnlc.studies.gradients.noise import measure
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.speed import NETWORKS, plain
from distnlc.studies.gradients.units import units


@pytest.mark.parametrize("name", NETWORKS)
def test_the_plain_loop_finds_the_same_coefficients(name: str) -> None:
    small = {"width": "10", "dimension": 10, "points": 300, "linear_layers": 5}
    part = Spec.parse({"kind": "gradients", **NETWORKS[name], **small})
    _, layers = measure(part, 4)
    assert plain(part, 4) == pytest.approx([row.gsc for row in layers[::-1]], rel=1e-8)  # 1e-12 beside variances


def test_every_unit_has_a_time_that_grows_with_its_points() -> None:
    small = {"width": "10", "dimension": 10, "linear_layers": 3, "networks": 1}
    spec = Spec.parse(
        {
            "kind": "gradients",
            **small,
            "parts": {
                "few": {"points": 1000},
                "many": {"points": 4000},
                "training": {"experiment": "training"},
                "custom": {"experiment": "training", "protocol": "custom"},
                "checks": {"experiment": "checks", "check": "rescaling"},
            },
        }
    )
    few, many, training, custom, checks = seconds(spec, units(spec), "cpu")
    assert many == pytest.approx(4 * few)
    assert min(training, custom, checks) > many
