"""Less is measured of a large network, as much as a bound on operations and bytes allows, and a note says what."""

import ctypes
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import distnlc
from distnlc.measuring import effort
from distnlc.measuring.effort import BACK, effort_for, give_back, passes_of
from distnlc.measuring.network import measure_network
from distnlc.measuring.progress import line
from distnlc.metrics.initial_sensitivity import ELLIPSES
from distnlc.metrics.spec import MetricsSpec

INPUTS = torch.randn(400, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SPEC = MetricsSpec(nlc_batches=10)
OPERATIONS = 2 * (6 * 20 + 20 * 3)
"""of one point: a multiplication and an addition for each weight"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 3)).double()


def test_a_small_network_is_measured_as_in_a_study() -> None:
    found = effort_for(network(), INPUTS, 50, SPEC)
    assert (found.points, found.batch_size, found.nlc_batches, found.ellipses) == (400, 50, 10, ELLIPSES)
    assert found.note is None


def test_operations_bound_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 40_000
    monkeypatch.setattr(effort, "OPERATIONS", passes * OPERATIONS)
    whole = effort_for(network(), INPUTS, 50, SPEC)
    assert whole.note is None, "these passes are enough"
    passes = 3_000
    monkeypatch.setattr(effort, "OPERATIONS", passes * OPERATIONS)
    found = effort_for(network(), INPUTS, 50, SPEC)
    assert (found.points, found.nlc_batches, found.ellipses) == (150, passes // 4 // BACK // 50, 1)
    assert found.note == (
        "measured on less, since the network is large: 150 of 400 points, 5 of 10 batches for the NLC, 1 of 8 ellipses"
    )
    told = passes_of(found, outputs=3)
    assert told["jacobian_seconds"] == 5 * 50 * BACK
    assert told["outputs_seconds"] + told["gradients_seconds"] <= passes / 4


def test_bytes_bound_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point keeps its 6 inputs and the 20 outputs of tanh, of 8 bytes each; weights are not counted."""
    monkeypatch.setattr(effort, "KEPT", 40 * 26 * 8)
    found = effort_for(network(), INPUTS, 50, SPEC)
    assert (found.batch_size, found.points) == (40, 400)
    assert found.note is not None
    assert "batches of 40, not of 50" in found.note
    assert found.twice == 13
    assert "batches of 13 for chi and effective ranks" in found.note


def test_an_effective_rank_of_fewer_points_is_another_quantity_and_is_compared_with_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(effort, "KEPT", 40 * 20 * 8)  # of a frozen copy a point keeps the outputs of tanh alone
    found = distnlc.measure(network(), INPUTS, batch_size=50, spec=SPEC, part="waveform")
    assert found["chi"].percentile is not None
    assert found["rank_signal"].value is not None
    assert found["rank_signal"].percentile is None
    assert found["rank_noise"].percentile is None
    assert found.prediction is not None
    names = {each.name for each in found.prediction.alone}
    assert "chi" in names
    assert not {"rank_signal", "rank_noise"} & names


def test_what_is_measured_on_less_is_near_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure_network(network(), INPUTS, batch_size=50, spec=SPEC)
    monkeypatch.setattr(effort, "OPERATIONS", 3_000 * OPERATIONS)
    found = measure_network(network(), INPUTS, batch_size=50, spec=SPEC)
    assert (whole.points, found.points) == (400, 150)
    assert found.notes[0].startswith("measured on less")
    assert found.values.keys() == whole.values.keys()
    for name in ("init_nlc", "init_bias", "chi", "gradient_scale"):
        assert found.values[name] == pytest.approx(whole.values[name], rel=0.2)


def test_the_time_left_follows_from_the_share_that_is_done() -> None:
    assert line("jacobian", 0.01, 30.0) == "measuring: jacobian"
    assert line("snip", 0.25, 30.0) == "measuring: snip, 25% done, about 0:01:30 left"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not the C library that keeps freed memory")
def test_freed_memory_goes_back_to_the_system() -> None:
    """Arrays below the size that is mapped by itself, with every tenth in use still, so that the heap cannot shrink."""
    kept = [np.ones(12_000) for _ in range(3000)]
    held = resident()
    kept = kept[::10]
    give_back()
    assert resident() < held - 0.7 * 3000 * 12_000 * 8
    assert len(kept) == 300


def resident() -> int:
    """Bytes of this process in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{os.getpid()}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
