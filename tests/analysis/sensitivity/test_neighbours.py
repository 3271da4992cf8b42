"""A trained network stands beside the fitted ones of the example, on the same dataset and with true labels alone."""

import pytest

from distnlc.analysis import EXAMPLES, load
from distnlc.analysis.sensitivity.neighbours import NEAREST, fitted_networks, neighbours


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_they_are_fitted_with_true_labels_on_the_same_dataset(dataset: str) -> None:
    rows, every = fitted_networks(dataset), load(EXAMPLES / "sensitivity").networks
    expected = [
        row["unit_id"]
        for row in every.to_dict("records")
        if row["fitted"] is True and row["labels"] == "true" and row["dataset"] == dataset
    ]
    assert list(rows["unit_id"]) == expected
    assert len(rows) > 100


def test_the_nearest_are_nearest_and_come_in_order() -> None:
    rows = fitted_networks("mnist")
    norms = rows["probability_jacobian"]
    found = neighbours(rows, norm=0.2)
    assert len(found) == NEAREST
    distances = sorted(abs(norms - 0.2))[:NEAREST]
    assert sorted(abs(each.probability_jacobian - 0.2) for each in found) == pytest.approx(distances)
    shown = [each.probability_jacobian for each in found]
    assert shown == sorted(shown)
    assert all(0 < each.gap < 1 and 0 < each.test_accuracy < 1 for each in found)


def test_of_another_dataset_there_are_none() -> None:
    assert fitted_networks("waveform-noise").empty
