"""The searches for step sizes against one candidate after another by autograd."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn import functional

from distnlc.studies.gradients import protocols
from distnlc.studies.gradients.protocols import Search
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.training_spec import STEPS, Training
from distnlc.studies.gradients.trials import Trials
from distnlc.training.population import stream
from distnlc.training.schedule import Schedule
from tests.helpers.gradient_trainings import network_of, search_of, tiny

COARSE = {"selection_factor": 3.0}
SPECS = {
    "layer-tanh": tiny(COARSE),
    "batch-relu": tiny(COARSE, nonlinearity="relu", normalization="batch"),
    "resnet": tiny(COARSE, skip="identity"),
}


def plain_epochs(search: Search, spec: Spec, steps: Sequence[float], epochs: int) -> tuple[list[float], list[float]]:
    """Training error after each epoch and the largest relative update until then, with a step size for each layer."""
    network, found, largest = copy.deepcopy(network_of(spec, search.data)), [], [0.0]
    inputs, labels = search.data.train_inputs, search.data.train_labels
    order = stream(search.start.seeds, len(labels), 0, epochs * len(labels))[0]
    for epoch in order.split(len(labels)):
        for points in epoch.split(search.batch):
            network.zero_grad()
            functional.cross_entropy(network(inputs[points]), labels[points]).backward()
            with torch.no_grad():
                for step, weight in zip(steps, network.parameters(), strict=True):
                    assert weight.grad is not None
                    moved = step * weight.grad
                    largest[-1] = max(largest[-1], float(moved.norm() / weight.norm()))
                    weight.sub_(moved)
        batches = zip(inputs.split(search.batch), labels.split(search.batch), strict=True)
        with torch.no_grad():
            found.append(sum(int((network(x).argmax(1) != y).sum()) for x, y in batches) / len(labels))
        largest.append(largest[-1])
    return found, largest[:-1]


@pytest.mark.parametrize(("name", "layers"), [("layer-tanh", [0, 3, 6]), ("batch-relu", [6]), ("resnet", [3])])
def test_a_layers_step_size_is_that_of_a_search_one_by_one(name: str, layers: list[int]) -> None:
    spec = SPECS[name]
    search = search_of(spec)
    updates = search.updates()
    for layer in layers:
        best: tuple[float, float, float] | None = None
        step = 1e-6 / updates[layer]
        while True:
            steps = np.zeros(7)
            steps[layer] = step
            (error,), (largest,) = plain_epochs(search, spec, steps.tolist(), 1)
            if largest >= 0.1:
                break
            if best is None or error < best[0]:
                best = error, step, largest
            step *= 3
        assert best is not None
        assert protocols.selection(search, layer, float(updates[layer])) == pytest.approx(best[1:], rel=1e-6)


def test_clipping_ends_a_search_at_an_error_above_the_lowest() -> None:
    search = search_of(tiny({"clip_selection": True}))
    updates, layer = search.updates(), 2
    errors = []
    for step in protocols.candidates(1e-6, 0.1, 1.5, float(updates[layer])):
        steps = np.zeros(7)
        steps[layer] = step
        (error,), (largest,) = plain_epochs(search, tiny(), steps.tolist(), 1)
        if largest >= 0.1 or (errors and error >= min(errors)[0] + 0.001):
            break
        errors.append((error, step))
    found = protocols.selection(search, layer, float(updates[layer]))
    assert found is not None
    assert found[0] == pytest.approx(min(errors)[1])
    assert found != protocols.selection(search_of(tiny()), layer, float(updates[layer]))


@pytest.mark.parametrize("pretraining", ["highest", "inner"])
@pytest.mark.slow
def test_pretraining_is_that_of_a_search_one_by_one(pretraining: str) -> None:
    spec = tiny({"pretraining": pretraining})
    search = search_of(spec)
    layers, cap = ([1, 2, 3, 4, 5], protocols.CAPS[pretraining])
    assert protocols.pretrained_layers(spec.training, search.network) == layers
    results, step = [], 1e-6 / float(search.updates()[layers].max())
    while True:
        steps = [step if layer in layers else 0.0 for layer in range(7)]
        errors, largest = plain_epochs(search, spec, steps, 10)
        reached = next((epoch for epoch, error in enumerate(errors, 1) if error <= 0.85), 10)
        if largest[0] >= cap:
            break
        if largest[reached - 1] < cap:
            results.append((errors[reached - 1] > 0.85, reached, errors[reached - 1], step))
        step *= 3
    assert protocols.pretraining(search) == pytest.approx((min(results)[3], min(results)[1]), rel=1e-6)


def test_all_layers_are_scaled_by_the_lowest_error_below_a_relative_update_of_a_tenth() -> None:
    spec = tiny()
    search = search_of(spec)
    steps = np.linspace(0.01, 0.03, 7)
    results, scale = [], 1e-2 / float((search.updates() * steps).max())
    while True:
        (error,), (largest,) = plain_epochs(search, spec, (steps * scale).tolist(), 1)
        if largest >= 0.1:
            break
        results.append((error, scale))
        scale *= 1.5
    assert protocols.scaling(search, steps) == pytest.approx(min(results)[1], rel=1e-6)


def test_scales_are_searched_from_smaller_ones_if_every_one_moves_a_layer_too_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, steps = tiny(COARSE), np.full(7, 0.02)
    search = search_of(spec)
    relative = float((search.updates() * steps).max())
    monkeypatch.setattr(protocols, "LARGEST", 0.010001)  # which minibatches after the first reach
    assert protocols._searched(search, steps, [1e-2 / relative], list(range(7)), clip=False) is None
    results = []
    for scale in (1e-6 * 3**index / relative for index in range(9)):
        (error,), (largest,) = plain_epochs(search, spec, (steps * scale).tolist(), 1)
        if largest < 0.010001:
            results.append((error, scale))
    assert protocols.scaling(search, steps) == pytest.approx(min(results)[1], rel=1e-6)
    assert protocols.scaling(search, np.zeros(7)) == 0


def test_an_error_exactly_a_tenth_of_a_point_above_the_lowest_clips() -> None:
    above = [(lowest + 2) / 2000 - lowest / 2000 >= protocols.CLIPPED for lowest in range(1999)]
    below = [(lowest + 1) / 2000 - lowest / 2000 >= protocols.CLIPPED for lowest in range(2000)]
    assert all(above)
    assert not any(below)


def test_a_candidate_that_moves_too_far_leaves_with_its_first_update() -> None:
    search = search_of(tiny())
    start = search.at_rates(protocols.only([3], 7))
    size = 1 / float(search.updates()[3])
    trials = Trials(start, search.data, [0.001 * size, 0.5 * size, 0.002 * size], search.step, [3])
    taken = []
    train = trials.train
    trials.train = lambda *arguments: (taken.append(len(trials.members)), train(*arguments))[1]  # type: ignore[method-assign]
    trials.epoch(0.1)
    assert taken == [3, 2, 2, 2, 2]
    assert trials.members.tolist() == [0, 2]
    assert trials.largest[1] == pytest.approx(0.5)
    first, rest = search.start.rows[0], trials.program.flat[1]
    same = [
        bool((first[part] == rest[part]).all())
        for part in Trials(start, search.data, [1.0], search.step, range(7)).places
    ]
    assert same == [True, True, True, False, True, True, True]


def test_a_layer_without_a_gradient_gets_no_step_size() -> None:
    search = search_of(tiny())
    assert protocols.selection(search, 2, 0.0) is None
    assert protocols.selection(search, 2, float("nan")) is None
    assert protocols.smoothed([0, 1, 2], [(1.0, 0.1), None, (4.0, 0.1)], 3).tolist() == pytest.approx([1.0, 0.0, 4.0])
    assert not protocols.smoothed([0], [None], 3).any()


def test_smoothing_puts_every_relative_update_on_the_line_through_their_logarithms() -> None:
    layers, updates, steps = [0, 1, 2, 3], [0.01, 0.08, 0.02, 0.05], [1.0, 2.0, 4.0, 8.0]
    found = protocols.smoothed(layers, list(zip(steps, updates, strict=True)), 4)
    logs = np.log(np.array(updates) * found / np.array(steps))
    line = np.polyval(np.polyfit(layers, np.log(updates), 1), layers)
    assert logs == pytest.approx(line)
    every_other = protocols.smoothed([0, 2], [(1.0, 0.1), (4.0, 0.1)], 3)
    assert every_other == pytest.approx([1.0, 2.0, 4.0])


def test_the_papers_searches_have_as_many_candidates_as_stated() -> None:
    assert len(protocols.candidates(1e-6, 0.1, 1.5, 3.0)) == 29
    assert protocols.candidates(1e-6, 0.1, 1.5, 3.0)[0] * 3.0 == pytest.approx(1e-6)
    assert [len(STEPS), STEPS[0], STEPS[1], STEPS[-1]] == [21, 1e5, 3e4, 1e-5]
    assert protocols.searched_layers(Training(selection_every=5), 51) == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]


def test_eleven_step_sizes_are_used_and_patience_ends_the_last() -> None:
    schedule = Schedule(protocols.schedule(Training(), 1000), np.array([3.0]), np.array([0.9]))
    rates = []
    for _ in range(500):
        rates.append(float(schedule.rates[0]))
        if schedule.step(np.array([0.5]), np.array([True])).finished[0]:
            break
    assert len(set(rates)) == 11
    assert len(rates) == 1 + 11 * 5
    assert rates[-1] == pytest.approx(3 / 3**10)
