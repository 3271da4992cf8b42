"""The bench trains the preset's units by both loops."""

import math

import pytest
import torch

from distnlc.studies.scaling import speed


def test_both_loops_of_the_bench_train_the_same_network_at_all_rates_of_the_preset(monkeypatch) -> None:
    monkeypatch.setattr(speed, "REPETITIONS", 1)
    threads, size = torch.get_num_threads(), speed.Size(300, 6, 3)
    trainer, losses = speed.ours(size), speed.plain(size)
    job, _ = speed.job_of(size)
    assert [outcome.start_rate for outcome in trainer.outcomes] == [2.0**each for each in range(-6, 6)]
    assert len(losses) == 12
    assert (job.spec.epochs, job.spec.batch_size, job.spec.weight_decay) == (5, 128, 1e-5)
    slow = [each for each, outcome in zip(losses, trainer.outcomes, strict=True) if outcome.start_rate < 0.1]
    found = [outcome.train_loss for outcome in trainer.outcomes if outcome.start_rate < 0.1]
    assert found == pytest.approx(slow, rel=0.02)  # the orders of points differ
    assert all(math.isfinite(loss) for loss in found)
    torch.set_num_threads(threads)
