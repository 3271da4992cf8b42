import numpy as np
import pytest
import torch

from distnlc.data.preparation import components_kept, normalize_features, prepare_images, random_orthogonal

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
