import numpy as np
import pytest

from distnlc.data import waveform
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec

PEAK = [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
H1 = np.array([0] * 5 + PEAK + [0] * 5)
H2 = np.array([0] * 9 + PEAK + [0])
H3 = np.array([0] + PEAK + [0] * 9)
WAVES = [(H2, H3), (H1, H3), (H1, H2)]


def test_means_and_variances_of_each_class_are_the_closed_form() -> None:
    # With u ~ U(0, 1): E x = (a + b) / 2 and Var x = (a - b)^2 / 12 + 1.
    inputs, labels = waveform.generate(seed=0, points=60_000)
    for label, (a, b) in enumerate(WAVES):
        points = inputs[labels == label]
        mean = np.concatenate([(a + b) / 2, np.zeros(19)])
        variance = np.concatenate([(a - b) ** 2 / 12 + 1, np.ones(19)])
        squares = (points - mean) ** 2
        root = np.sqrt(len(points))
        assert np.abs((points.mean(0) - mean) / np.sqrt(variance) * root).max() < 4
        assert np.abs((squares.mean(0) - variance) / squares.std(0) * root).max() < 4


def test_one_weight_mixes_all_positions_of_a_point() -> None:
    # Cov(x(i), x(j)) = (a(i) - b(i)) (a(j) - b(j)) / 12 within a class, for i != j.
    inputs, labels = waveform.generate(seed=0, points=60_000)
    for label, (a, b) in enumerate(WAVES):
        covariance = np.cov(inputs[labels == label].T)
        difference = np.concatenate([a - b, np.zeros(19)])
        assert np.abs(covariance - np.outer(difference, difference) / 12 - np.eye(40)).max() < 0.2


def test_classes_are_equally_likely() -> None:
    _, labels = waveform.generate(seed=0, points=60_000)
    assert np.abs(np.bincount(labels) - 20_000).max() < 4 * np.sqrt(60_000 * 2 / 9)


def test_the_seed_fixes_the_points_and_5000_is_their_number() -> None:
    inputs, labels = waveform.generate(seed=3)
    again, labels_again = waveform.generate(seed=3)
    assert (inputs.shape, labels.dtype) == ((5_000, 40), np.int64)
    assert np.array_equal(inputs, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(inputs, waveform.generate(seed=4)[0])


UCI = DataSpec(name="waveform-uci")


@pytest.mark.parametrize("inner", ["", "waveform-uci"])
def test_the_uci_file_is_read_as_it_is(tmp_path, inner) -> None:
    random = np.random.default_rng(0)
    points, labels = random.normal(size=(7, 40)).round(2), random.integers(3, size=7)
    (tmp_path / inner).mkdir(exist_ok=True)
    lines = [
        ",".join([*(f"{value:.2f}" for value in row), str(label)]) for row, label in zip(points, labels, strict=True)
    ]
    (tmp_path / inner / "waveform-+noise.data").write_text("\n".join(lines))
    inputs, found = waveform.read_uci(tmp_path, spec=UCI, seed=0)
    assert np.array_equal(inputs, points)
    assert np.array_equal(found, labels)


LINE = "0.5," * 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected 40 features and a class a line, found 0 numbers"),
        ("1,2,3\n", "found 3 numbers"),
        (f"{LINE}1\n{LINE[4:]}1\n", "cannot be read: .*row 2"),
        (f"{LINE}1\n{LINE}x\n", "cannot be read: .*row 1"),
        (f"{LINE}3\n", r"expected classes 0 \.\.\. 2, found \[3\.\]"),
        (f"{LINE}0.5\n", r"expected classes 0 \.\.\. 2"),
        (f"{LINE}nan\n", r"expected classes 0 \.\.\. 2"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_broken_uci_file_is_named_with_what_is_wrong(tmp_path, content, message) -> None:
    (tmp_path / "waveform-+noise.data").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=rf"waveform-\+noise\.data: .*{message}"):
        waveform.read_uci(tmp_path, spec=UCI, seed=0)


def test_a_missing_uci_file_is_asked_for(tmp_path) -> None:
    with pytest.raises(DataError, match=r"waveform-uci: file not found. Looked for waveform-\+noise\.data in"):
        waveform.uci_files(tmp_path, spec=UCI)
    with pytest.raises(DataError, match=r"waveform-uci: its files are needed and no folder is named.*data\.root"):
        waveform.uci_files(None, spec=UCI)
