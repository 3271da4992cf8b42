"""What is made of the points of a dataset: crops, preparations, random labels, parts that are empty."""

import numpy as np
import pytest
import torch

from distnlc.data import preparation
from distnlc.data.dataset import load, record
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec
from distnlc.spec import derive_seed
from tests.helpers.data_files import idx, random_images, sizes, write_mnist

pytestmark = pytest.mark.usefixtures("cache")


def test_an_image_keeps_its_shape_and_the_paper_s_recipe_has_none(mnist) -> None:
    paper = load(mnist, seed=0)
    assert (paper.shape, record(mnist, seed=0).get("shape")) == ((paper.d_in,), None)
    raw = mnist.model_copy(update={"preparation": "raw", "crop": 20})
    dataset = load(raw, seed=0)
    assert (dataset.shape, dataset.d_in, dataset.train_inputs.shape) == ((1, 20, 20), 400, (20, 400))
    assert dataset.to("cpu", torch.float32).shape == (1, 20, 20)
    found = record(raw, seed=0)
    assert (found["shape"], found["preparation"], found["d_in"]) == ([1, 20, 20], "raw", 400)


@pytest.mark.parametrize(("crop", "start"), [(28, 0), (24, 2), (27, 0), (25, 1), (1, 13)])
def test_a_crop_is_the_central_square_of_the_raw_image(mnist, crop, start) -> None:
    spec = mnist.model_copy(update={"preparation": "raw", "crop": crop, "train": 30, "validation": 0, "test": 10})
    dataset = load(spec, seed=0)
    images = random_images(30, 784, seed=1)[0].reshape(30, 28, 28)
    expected = images[:, start : start + crop, start : start + crop].reshape(30, -1)
    order = np.random.default_rng(derive_seed(0, "split")).permutation(30)
    assert np.array_equal(dataset.train_inputs.numpy(), expected[order])


@pytest.mark.parametrize("name", ["features", "sphere", "layer-norm", "raw"])
def test_a_preparation_by_name_is_its_function_of_the_split_parts(mnist, name) -> None:
    function = {
        "features": preparation.normalize_features,
        "sphere": preparation.onto_sphere,
        "layer-norm": preparation.normalize_points,
        "raw": preparation.as_they_are,
    }[name]
    raw = load(mnist.model_copy(update={"preparation": "raw"}), seed=0)
    dataset = load(mnist.model_copy(update={"preparation": name}), seed=0)
    parts = [raw.train_inputs, raw.validation_inputs, raw.test_inputs]
    expected = function(*(part.numpy() for part in parts))
    for found, part in zip(
        (dataset.train_inputs, dataset.validation_inputs, dataset.test_inputs), expected, strict=True
    ):
        torch.testing.assert_close(found, part.reshape(len(part), -1), rtol=1e-12, atol=1e-12)


def test_random_labels_replace_those_of_the_training_part_alone() -> None:
    true = load(DataSpec(train=3_000), seed=0)
    random = load(DataSpec(train=3_000, labels="random"), seed=0)
    for part in ("train_inputs", "validation_inputs", "validation_labels", "test_inputs", "test_labels"):
        assert torch.equal(getattr(true, part), getattr(random, part))
    counts = torch.bincount(random.train_labels, minlength=3)
    assert (counts - 1_000).abs().max() < 4 * np.sqrt(3_000 * 2 / 9)
    agreeing = (random.train_labels == true.train_labels).double().mean()
    assert abs(agreeing - 1 / 3) < 4 * np.sqrt(2 / 9 / 3_000)
    assert torch.equal(random.train_labels, load(DataSpec(train=3_000, labels="random"), seed=0).train_labels)
    assert not torch.equal(random.train_labels, load(DataSpec(train=3_000, labels="random"), seed=1).train_labels)


def test_a_part_may_be_empty(mnist) -> None:
    for name in ("paper", "sphere", "features"):
        dataset = load(mnist.model_copy(update={"validation": 0, "test": 0, "preparation": name}), seed=0)
        assert sizes(dataset) == [20, 0, 0]
        assert dataset.validation_inputs.shape == (0, dataset.d_in)
    assert record(mnist.model_copy(update={"validation": 0}), seed=0)["validation"] == 0


def test_features_that_are_constant_in_mnist_are_no_trouble(tmp_path) -> None:
    images = np.zeros((30, 28, 28))
    images[:, 10:18, 10:18] = random_images(30, 64, seed=0)[0].reshape(30, 8, 8)
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    counts = {"train": 20, "validation": 10, "test": 10}
    dataset = load(DataSpec(name="mnist", root=str(tmp_path), preparation="features", **counts), seed=0)
    assert dataset.train_inputs.isfinite().all()
    assert (dataset.train_inputs.var(0, correction=0) > 0.99).sum() == 64


def test_a_constant_image_is_named_by_its_place_in_the_file(tmp_path) -> None:
    images = random_images(30, 784, seed=1)[0].reshape(30, 28, 28)
    images[17] = 200
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    spec = DataSpec(name="mnist", root=str(tmp_path), train=20, validation=10, test=10, preparation="sphere")
    with pytest.raises(
        DataError, match=r"cannot be prepared by sphere: point 17 \(counted from 0, .*entries are equal"
    ):
        load(spec, seed=0)
