"""Writes a tiny store of the current file format: `python make_store.py` makes store_v<FORMAT_VERSION>.

Run it once, when FORMAT_VERSION has been raised, and keep the older folders: they prove that old studies are
still read.
"""

import math
from pathlib import Path

from distnlc.spec import StudySpec
from distnlc.store import Store
from distnlc.store.manifest import FORMAT_VERSION
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow

TABLES = {"architectures": ArchitectureRow, "runs": RunRow, "epochs": EpochRow}


def architecture(index: int, **fields: object) -> ArchitectureRow:
    drawn = {
        "unit_id": f"u{index}", "architecture_id": f"a{index}", "part": "main", "index": index,
        "dataset": "waveform-noise", "train_points": 3000, "optimizer": "sgd", "criterion": "validation-error",
        "seed": 2**62 + index, "d_in": 40, "d_out": 3, "depth": 5, "width": 12,
        "parameters": 1000, "activation": "relu", "dilation": 1.0, "shift": 0.2, "debiased": True,
        "bias_variance": 0.05, "initial_scale": 0.9, "normalization": "batch", "skip_strength": 1.0,
        "skip_start": "linear", "seconds": 0.5,
    }  # fmt: skip
    return ArchitectureRow(**(drawn | fields))  # type: ignore[arg-type]


def run(number: int, status: str, val_error: float | None) -> RunRow:
    return RunRow(
        unit_id="u0", architecture_id="a0", run=number, start_rate=10.0**-number, status=status, epochs=2,
        best_epoch=1, divisions=0, diverged_epochs=int(val_error is None), val_error=val_error,
        test_error=val_error, train_error=None,
    )  # fmt: skip


def epoch(number: int, index: int, train_loss: float) -> EpochRow:
    return EpochRow(
        unit_id="u0", architecture_id="a0", run=number, epoch=index, rate=0.1, train_loss=train_loss,
        val_error=0.5, train_error=None,
    )  # fmt: skip


def main() -> None:
    folder = Path(__file__).parent / f"store_v{FORMAT_VERSION}"
    measured = architecture(
        0, status="ok", init_nlc=2.5, best_run=0, best_rate=1.0, best_at_edge=False, runs=2, val_error=0.5,
        initialization=1, device="a processor", jacobian_seconds=0.25,
    )  # fmt: skip
    given_up = architecture(1, status="failed", reason="out of memory", attempts=2)
    skipped = architecture(2, status="skipped", reason="not trained", init_nlc=9.5)
    epochs = [epoch(0, 0, 1.25), epoch(0, 1, 1.0), epoch(1, 0, math.nan), epoch(1, 1, math.nan)]
    with Store.create_or_open(folder, StudySpec(kind="nlc", name="tiny"), TABLES) as store:
        runs = [run(0, "ok", 0.5), run(1, "diverged", None)]
        store.commit([("u0", "ok", {"architectures": [measured], "runs": runs, "epochs": epochs})])
        store.commit([("u1", "failed", {"architectures": [given_up]}), ("u2", "skipped", {"architectures": [skipped]})])
    (folder / "lock").unlink()


if __name__ == "__main__":
    main()
