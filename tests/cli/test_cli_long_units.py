"""A study whose process is killed in the middle of a long unit goes on inside that unit, to the same rows."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distnlc.store import read_statuses
from distnlc.training import checkpoint
from distnlc.training.trainer import PopulationTrainer
from tests.helpers.servers import LONG_S
from tests.helpers.typed import assert_same_rows, distnlc, rows

KILLED_IN_THE_SECOND_POPULATION_OF_A_UNIT = """
import os, signal, sys
sys.modules["mlflow"] = None
from distnlc.cli import main
from distnlc.training import checkpoint
from distnlc.training.trainer import PopulationTrainer

checkpoint.EVERY_S = 0.0
save, train, trained = checkpoint.Checkpoints._save, PopulationTrainer.epoch, []

def counting(trainer):
    trained.append(1)
    train(trainer)

def dying(checkpoints, folder, state):
    save(checkpoints, folder, state)
    sweep = state["sweep"]
    if len(sweep["runs"]) >= 3 and len(sweep["population"]["outcomes"][0]["history"]) == 2:
        open("trained", "w").write(str(len(trained)))
        os.kill(os.getpid(), signal.SIGKILL)

PopulationTrainer.epoch, checkpoint.Checkpoints._save = counting, dying
main()
"""


def run_and_count(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    """Does the study, and gives how many epochs were trained for it."""
    trained: list[int] = []
    train = PopulationTrainer.epoch

    def counting(trainer: PopulationTrainer) -> None:
        trained.append(1)
        train(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(PopulationTrainer, "epoch", counting)
        answer = distnlc(*words)
    assert answer.code == 0, answer.err
    return len(trained)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "method"), [("sgd", "refine"), ("adam", "grid")])
def test_a_unit_that_was_killed_goes_on_from_its_checkpoint_to_the_same_rows(
    home: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, method: str
) -> None:
    fields = {"training.optimizer": optimizer, "search.method": method, "training.population": 3}
    settings = [f"--set={field}={value}" for field, value in fields.items()]
    words = ["run", "tiny.yaml", "--executor", "serial", *settings, "--out"]
    all_epochs = run_and_count(monkeypatch, [*words, "undisturbed"])
    assert not (home / "undisturbed" / "checkpoints").exists(), "short units write nothing"

    done = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_SECOND_POPULATION_OF_A_UNIT, *words, "study"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_S,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder,) = (home / "study" / "checkpoints").iterdir()
    assert folder.name not in read_statuses(home / "study")

    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    more_epochs = run_and_count(monkeypatch, [*words, "study"])
    assert int((home / "trained").read_text()) + more_epochs == all_epochs, "an epoch was trained twice"
    assert_same_rows(rows(home / "study"), rows(home / "undisturbed"))
    assert list((home / "study" / "checkpoints").iterdir()) == []
