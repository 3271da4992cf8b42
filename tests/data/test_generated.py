"""Generated points have the distribution that they are said to have."""

import numpy as np
import pytest
from scipy import stats

from distnlc.data import generated
from distnlc.data.spec import DataSpec


def test_gaussian_images_are_unit_gaussian_and_their_labels_have_nothing_to_do_with_them() -> None:
    spec = DataSpec(name="gaussian-images", shape=(2, 3, 5), train=4_000, validation=500, test=500)
    images, labels = generated.gaussian_images(None, spec=spec, seed=0)
    assert (images.shape, labels.shape, labels.dtype) == ((5_000, 2, 3, 5), (5_000,), np.int64)
    assert stats.kstest(images.ravel(), "norm").pvalue > 0.001
    covariance = np.cov(images.reshape(5_000, -1).T)
    assert np.abs(covariance - np.eye(30)).max() < 5 * np.sqrt(2 / 5_000)
    assert np.abs(np.bincount(labels, minlength=10) - 500).max() < 4 * np.sqrt(5_000 * 0.09)
    means = np.array([images[labels == label].mean() for label in range(10)])
    assert np.abs(means).max() < 4 / np.sqrt(450 * 30)


@pytest.mark.parametrize("separation", [None, 6.0])
def test_clusters_are_unit_gaussian_about_centers_at_the_separation(separation) -> None:
    spec = DataSpec(name="clusters", separation=separation, train=20_000, validation=0, test=0)
    images, labels = generated.clusters(None, spec=spec, seed=0)
    assert images.shape == (20_000, 1, 8, 8)
    assert sorted(set(labels.tolist())) == list(range(10))
    points = images.reshape(-1, 64)
    centers = np.array([points[labels == label].mean(0) for label in range(10)])
    expected = separation or generated.SEPARATION
    # A mean of about 2,000 points misses its center by a length of about sqrt(64 / 2,000) = 0.18.
    assert np.abs((centers**2).sum(1) - 64 / 2_000 - expected**2).max() < 4 * 2 * expected / np.sqrt(2_000)
    assert stats.kstest((points - centers[labels]).ravel(), "norm").pvalue > 1e-4


def test_clusters_overlap_by_default_so_that_the_best_classifier_errs_on_a_tenth() -> None:
    spec = DataSpec(name="clusters", train=20_000, validation=0, test=0)
    errors = []
    for seed in range(5):
        images, labels = generated.clusters(None, spec=spec, seed=seed)
        points = images.reshape(-1, 64)
        centers = np.array([points[labels == label].mean(0) for label in range(10)])
        scores = points @ centers.T - (centers**2).sum(1) / 2  # the nearest center
        errors.append((scores.argmax(1) != labels).mean())
    assert 0.08 < np.mean(errors) < 0.13


@pytest.mark.parametrize("name", ["gaussian-images", "clusters"])
def test_the_seed_fixes_the_points(name) -> None:
    function = {"gaussian-images": generated.gaussian_images, "clusters": generated.clusters}[name]
    spec = DataSpec(name=name, train=20, validation=10, test=10)
    first, again, other = (function(None, spec=spec, seed=seed) for seed in (3, 3, 4))
    assert len(first[1]) == 40
    assert all(map(np.array_equal, first, again))
    assert not any(map(np.array_equal, first, other))
