import numpy as np
import pytest
import torch

from distnlc.data.preparation import (
    PointError,
    as_they_are,
    components_kept,
    normalize_features,
    normalize_points,
    normalize_varying_features,
    onto_sphere,
    prepare_images,
    random_orthogonal,
)

IMAGES = np.random.default_rng(0).integers(256, size=(200, 60), dtype=np.uint8)


def test_features_have_mean_0_and_variance_1_on_the_training_part() -> None:
    train = np.random.default_rng(0).normal(3, 2, size=(500, 4))
    (prepared,) = normalize_features(train)
    torch.testing.assert_close(prepared.mean(0), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(prepared.var(0, correction=0), torch.ones(4, dtype=torch.float64))


def test_other_parts_go_through_the_training_parts_feature_map() -> None:
    train = np.array([[0.0, 10.0], [2.0, 30.0]])
    _, other = normalize_features(train, np.array([[5.0, 20.0]]))
    assert other.tolist() == [[4.0, 0.0]]


def test_a_constant_feature_is_only_centered() -> None:
    train = np.full((7, 1), 0.1)
    prepared, other = normalize_features(train, np.array([[1.1]]))
    assert prepared.abs().max() < 1e-15
    assert other.item() == pytest.approx(1.0)


def test_constant_features_can_be_left_out() -> None:
    train, other = np.zeros((50, 2, 3)), np.ones((4, 2, 3))
    train[:, 1, :2] = np.random.default_rng(0).normal(size=(50, 2))
    prepared, prepared_other = normalize_varying_features(train, other)
    torch.testing.assert_close(prepared, normalize_features(train[:, 1, :2])[0])
    assert prepared_other.shape == (4, 2)
    with pytest.raises(ValueError, match="the 50 training points do not differ"):
        normalize_varying_features(np.ones((50, 3)))


PICTURES = IMAGES.reshape(200, 3, 4, 5)


@pytest.mark.parametrize("prepare", [normalize_features, onto_sphere, normalize_points, as_they_are])
def test_points_keep_their_shape_and_the_given_arrays_their_values(prepare) -> None:
    train, other = PICTURES[:150].astype(np.float64), PICTURES[150:].copy()
    prepared = prepare(train, other, seed=0)
    assert [part.shape for part in prepared] == [train.shape, other.shape]
    assert {part.dtype for part in prepared} == {torch.float64}
    assert np.array_equal(train, PICTURES[:150])
    flat = prepare(train.reshape(150, 60), other.reshape(50, 60), seed=0)
    for part, flat_part in zip(prepared, flat, strict=True):
        assert torch.equal(part.reshape(len(part), 60), flat_part)


def test_a_point_on_the_sphere_has_lost_its_mean_and_the_length_of_its_deviation() -> None:
    for part, images in zip(onto_sphere(PICTURES[:9], PICTURES[9:]), (PICTURES[:9], PICTURES[9:]), strict=True):
        for point, image in zip(part.numpy(), images.astype(np.float64), strict=True):
            np.testing.assert_allclose(point, (image - np.mean(image)) / np.std(image), rtol=1e-12)
            assert np.linalg.norm(point) == pytest.approx(np.sqrt(60), rel=1e-14)


def test_a_constant_point_cannot_be_put_on_the_sphere_and_is_named() -> None:
    images = PICTURES.copy()
    images[17] = 9
    with pytest.raises(PointError, match="all its entries are equal") as caught:
        onto_sphere(PICTURES, images)
    assert (caught.value.part, caught.value.row) == (1, 17)


def test_layer_norm_adds_its_epsilon_to_the_variance_and_makes_a_constant_point_zero() -> None:
    points = np.array([[0.0, 0.0, 0.0, 0.01], [3.0, 1.0, 0.0, -2.0], [5.0, 5.0, 5.0, 5.0]])
    (prepared,) = normalize_points(points)
    for row, point in zip(prepared.numpy(), points, strict=True):
        np.testing.assert_allclose(row, (point - point.mean()) / np.sqrt(point.var() + 1e-5), rtol=1e-12)
    assert prepared[0].norm() < 1.7  # a small variance is not made 1
    assert prepared[2].tolist() == [0, 0, 0, 0]


def test_raw_is_the_values_themselves() -> None:
    train, other = as_they_are(PICTURES[:9], PICTURES[9:])
    assert np.array_equal(train.numpy(), PICTURES[:9])
    assert np.array_equal(other.numpy(), PICTURES[9:])


def test_other_images_go_through_the_training_parts_map() -> None:
    bright = np.full((50, 60), 255, dtype=np.uint8) - IMAGES[:50] // 9
    (alone,) = prepare_images(IMAGES, seed=0)
    together, same, _ = prepare_images(IMAGES, IMAGES[:20], bright, seed=0)
    assert torch.equal(alone, together)
    torch.testing.assert_close(same, together[:20])


def test_the_five_steps_by_hand() -> None:
    points = IMAGES.astype(np.float64)
    points = (points - points.mean(1, keepdims=True)) / points.std(1, keepdims=True)
    points -= points.mean(0)
    variances = np.linalg.svd(points, compute_uv=False) ** 2
    kept = int(np.searchsorted(variances.cumsum(), 0.99 * variances.sum())) + 1
    mapped = points @ random_orthogonal(60, kept, seed=5).numpy()
    (prepared,) = prepare_images(IMAGES, seed=5)
    np.testing.assert_allclose(prepared.numpy(), mapped / np.sqrt((mapped**2).mean()), atol=1e-12)


@pytest.mark.parametrize("empty_features", [0, 400])
def test_kept_components_are_the_fewest_that_hold_99_percent(empty_features: int) -> None:
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]] * 10)
    points = signs * np.sqrt([0.5, 80, 4.5, 15])  # the sorted shares add up to 80, 95, 99.5, 100 %
    padded = np.pad(points, ((0, 0), (0, empty_features)))
    assert components_kept(torch.from_numpy(padded)) == 3


def test_a_constant_image_becomes_a_finite_point() -> None:
    images = IMAGES.copy()
    images[3] = 77
    prepared, other = prepare_images(images, np.full((1, 60), 12, dtype=np.uint8), seed=0)
    assert prepared.isfinite().all()
    torch.testing.assert_close(other[0], prepared[3])


def test_images_without_any_difference_are_refused() -> None:
    with pytest.raises(ValueError, match="the 5 training images do not differ"):
        prepare_images(np.tile(IMAGES[:1], (5, 1)) // 255, seed=0)


def test_orthogonal_slices_are_orthonormal_and_uniform() -> None:
    slices = torch.stack([random_orthogonal(4, 2, seed) for seed in range(400)])
    identity = torch.eye(2, dtype=torch.float64).expand(400, 2, 2)
    torch.testing.assert_close(slices.mT @ slices, identity)
    # Uniform: every entry has mean 0 and variance 1/4; a bare QR gives its first diagonal entry one sign.
    assert slices.mean(0).abs().max() < 4 * 0.5 / 20
    assert (slices.square().mean(0) - 0.25).abs().max() < 0.06


def test_the_number_of_threads_changes_no_bit_and_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        (two,) = prepare_images(IMAGES, seed=0)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        (one,) = prepare_images(IMAGES, seed=0)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, two)
