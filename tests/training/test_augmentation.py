"""Views of images, and trainings on them against a plain loop that moves every image itself."""

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training.augmentation import augmented, view_indices
from distnlc.training.fixed_steps import FixedTrainer, train_fixed
from distnlc.training.spec import FixedSpec
from distnlc.training.start import start_of, starts_of
from tests.helpers.plain_steps import PlainRun

SHAPE = (2, 6, 6)


def images(count: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_a_crop_shows_zeros_where_it_leaves_the_image_and_may_be_mirrored() -> None:
    (image,) = images(1)
    views = view_indices("crop-flip", SHAPE)
    seen = augmented(image.flatten().expand(len(views), -1), views, torch.arange(len(views)), blank=True)
    padded = torch.nn.functional.pad(image, [4, 4, 4, 4])
    expected = [
        crop.flip(-1) if mirrored else crop
        for mirrored in (False, True)
        for top in range(9)
        for left in range(9)
        for crop in [padded[:, top : top + 6, left : left + 6]]
    ]
    assert torch.equal(seen.view(-1, *SHAPE), torch.stack(expected))


def seen_by_hand(name: str, image: Tensor, view: int) -> Tensor:
    """The view of that number, one step after another: the shift to the right varies fastest, then that down, then the
    flips, then the turns."""
    rest, right = divmod(view, 9)
    rest, down = divmod(rest, 9)
    flips = [(), (-1,), (-2,), (-2, -1)] if name == "shift-flip-rotate" else [(), (-1,)]
    turn, flip = divmod(rest, len(flips))
    found = image
    if name == "shift-flip-rotate":
        found = [lambda x: x.transpose(-1, -2).flip(-1), lambda x: x, lambda x: x.transpose(-1, -2).flip(-2)][turn](
            found
        )
    for axis in flips[flip]:
        found = found.flip(axis)
    height, width = image.shape[-2:]
    rows = [(row - (down - 4)) % height for row in range(height)]
    columns = [(column - (right - 4)) % width for column in range(width)]
    return found[..., rows, :][..., columns]


@pytest.mark.parametrize(("name", "views"), [("shift-flip", 162), ("shift-flip-rotate", 972)])
def test_the_views_are_all_combinations_of_turns_flips_and_shifts_with_wrap_around(name: str, views: int) -> None:
    indices = view_indices(name, SHAPE)
    assert indices.shape == (views, 72)
    (image,) = images(1)
    for view in range(views):
        found = augmented(image.flatten()[None], indices, torch.tensor([view]))
        assert torch.equal(found[0].view(SHAPE), seen_by_hand(name, image, view))


def test_points_that_are_no_images_and_images_that_cannot_be_turned_are_refused() -> None:
    with pytest.raises(ValueError, match=r"augmentation is for images .* found points of 40"):
        view_indices("shift-flip", (40,))
    with pytest.raises(ValueError, match="shift-flip-rotate turns images, which must be square, found 1 x 4 x 6"):
        view_indices("shift-flip-rotate", (1, 4, 6))
    assert view_indices("shift-flip", (1, 4, 6)).shape == (162, 24)


@pytest.fixture(scope="module")
def data() -> Dataset:
    inputs, labels = images(20).flatten(1), torch.arange(20) % 3
    return Dataset("images", 3, *[inputs, labels] * 3, shape=SHAPE)


def network(seed: int) -> MLP:
    layered = Layered(72, uniform_layers([5, 3], activation=plain_activation("relu"), bias=False))
    return MLP(layered, gaussian(layered, [0.03, 0.4], seed))


def test_every_presentation_shows_a_view_of_its_own_as_the_plain_loop_has_it(data: Dataset) -> None:
    """Runs of different seeds, minibatches of 8 of 20 points, which straddle epochs."""
    spec = FixedSpec(steps=15, batch_size=8, optimizer="momentum", augmentation="shift-flip")
    start = starts_of([network(1), network(2)], loss_scales=[1.0] * 2, seeds=[7, 8])
    outcomes = train_fixed(start, data, [0.01, 0.02], spec)
    for seed, rate, outcome in zip((7, 8), (0.01, 0.02), outcomes, strict=True):
        run, presented, labels = PlainRun(network(seed - 6), spec), [], []
        for epoch in range(6):
            order = np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(20)
            views = np.random.default_rng(derive_seed("augmentation", seed, epoch)).integers(162, size=20)
            for point, view in zip(order, views, strict=True):
                image = data.train_inputs[point].view(SHAPE)
                presented.append(seen_by_hand("shift-flip", image, int(view)).flatten())
                labels.append(data.train_labels[point])
        run.train(torch.stack(presented), torch.stack(labels), torch.arange(120), [rate])
        assert outcome.row is not None
        torch.testing.assert_close(outcome.row, run.numbers(), rtol=1e-9, atol=1e-11)
        outputs = run.network(data.train_inputs)
        wrong = float((outputs.argmax(1) != data.train_labels).double().mean())
        assert outcome.looks[-1].train_error == pytest.approx(wrong)  # of the images as they are


def test_an_augmented_training_goes_on_bit_by_bit_from_every_piece(data: Dataset) -> None:
    spec = FixedSpec(steps=15, batch_size=8, check_steps=4, augmentation="shift-flip")
    states: list[dict[str, object]] = []

    def save(trainer: FixedTrainer) -> None:
        state = trainer.state()
        states.append(state | {"present": {name: value.clone() for name, value in state["present"].items()}})

    (whole,) = train_fixed(start_of(network(1), seed=3), data, [0.01], spec, after_epoch=save)
    assert len(states) > 3
    for state in states:
        (again,) = train_fixed(start_of(network(1), seed=3), data, [0.01], spec, saved=state)
        assert torch.equal(again.row, whole.row)
        assert again.steps == whole.steps
