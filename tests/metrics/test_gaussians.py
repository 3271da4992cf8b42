"""Gaussian numbers: the C code and NumPy's agree, and they are Gaussian and independent."""

import numpy as np
import pytest
import torch

from distnlc.metrics import gaussians
from distnlc.metrics.gaussians import LANES, Gaussians


def needs_a_compiler() -> None:
    assert gaussians._native() is not None, "these tests compare C code, which no compiler was found for"


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_the_c_code_gives_the_bits_of_numpy_s(seed: int) -> None:
    needs_a_compiler()
    native, state = Gaussians(seed), np.random.SeedSequence(seed).generate_state(4 * LANES).reshape(4, LANES)
    for shape, deviation in (((300, 700), 0.1), ((5,), 1.0), ((1, 2048), 2.5), ((3, 3, 500), 1.0)):
        expected = gaussians.plain(state, int(np.prod(shape)), deviation)
        assert np.array_equal(native.draw(*shape, deviation=deviation).numpy().reshape(-1), expected)


def test_without_a_compiler_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [Gaussians(1).draw(100, 100), Gaussians(1).draw(7)]
    monkeypatch.setattr(gaussians, "_native", lambda: None)
    assert [torch.equal(Gaussians(1).draw(*each.shape), each) for each in expected] == [True, True]


def test_a_word_is_that_of_xoshiro128_plus_plus() -> None:
    """The first words of its authors' program from the state 1, 2, 3, 4."""
    state = np.tile(np.array([[1], [2], [3], [4]], dtype=np.uint32), LANES)
    assert [int(gaussians._step(state)[0]) for _ in range(3)] == reference_words([1, 2, 3, 4], 3)


def reference_words(s: list[int], count: int) -> list[int]:
    """The authors' C, line by line."""

    def rotl(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & 0xFFFFFFFF

    found = []
    for _ in range(count):
        found.append((rotl((s[0] + s[3]) & 0xFFFFFFFF, 7) + s[0]) & 0xFFFFFFFF)
        t = s[1] << 9 & 0xFFFFFFFF
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)
    return found


def test_the_numbers_are_gaussian() -> None:
    numbers = Gaussians(3).draw(2_000_000, deviation=2.0).double() / 2
    moments = [float(numbers.pow(power).mean()) for power in (1, 2, 3, 4, 6)]
    assert moments == pytest.approx([0, 1, 0, 3, 15], abs=0.12)
    assert moments[:2] == pytest.approx([0, 1], abs=4e-3)
    ordered = numbers.sort().values
    below = (1 + torch.erf(ordered / 2**0.5)) / 2
    expected = (torch.arange(len(ordered)) + 0.5) / len(ordered)
    assert float((below - expected).abs().max()) * len(ordered) ** 0.5 < 1.63  # Kolmogorov and Smirnov, 1 %


def test_neighbours_lanes_steps_and_seeds_are_independent() -> None:
    numbers, others = Gaussians(3).draw(1_000_000).double(), Gaussians(4).draw(1_000_000).double()
    for apart in (1, LANES, 2 * LANES):
        assert float((numbers[apart:] * numbers[:-apart]).mean()) == pytest.approx(0, abs=5e-3)
        assert float((numbers[apart:] ** 2 * numbers[:-apart] ** 2).mean()) == pytest.approx(1, abs=2e-2)
    assert float((numbers * others).mean()) == pytest.approx(0, abs=5e-3)


def test_a_sequence_goes_on() -> None:
    sequence = Gaussians(5)
    first, second = sequence.draw(2, 2048), sequence.draw(2048)
    assert torch.equal(torch.cat([first.view(-1), second]), Gaussians(5).draw(3 * 2048))
