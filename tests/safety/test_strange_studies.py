"""A study folder from somebody else: whatever command reads it or goes on with it, it runs no code, writes nowhere
else, commands no terminal, and what is wrong with it is one message."""

import io
import json
import os
import pickle
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from distnlc.analysis import load
from distnlc.sinks import mirror
from distnlc.store import Store, StoreError, arrow_schema
from distnlc.studies import from_fields
from distnlc.studies.rehearsal import KIND, RehearsalRow
from tests.helpers import typed

FIELDS = {"kind": "rehearsal", "name": "strange", "count": 3, "seconds": 0.0}
COMMANDS = "to a terminal: \x1b]0;owned\x07 \x1b[2J \x9b31m \u202egnorw\rover"


class Hostile:
    """Pickled, it is the wish that `os.system` be called."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mirror, "find_spec", typed.no_mlflow)
    return tmp_path


def distnlc(*words: str) -> tuple[int, str]:
    """Types `distnlc WORDS`: the exit code, and all that was said."""
    answer = typed.distnlc(*words)
    return answer.code, answer.out + answer.err


def study(folder: Path, units: Mapping[str, str], **changes: object) -> Path:
    """A rehearsal's folder with rows of these units, unit id -> status."""
    spec = from_fields(FIELDS | changes, where="test")
    with Store.create_or_open(folder, spec, KIND.tables) as store:
        rows = [RehearsalRow(unit_id=each, index=0, status=units[each], reason=COMMANDS, seconds=0.0) for each in units]
        store.commit([(row.unit_id, row.status, {"units": [row]}) for row in rows])
    return folder


def go_on(folder: str = "study") -> tuple[int, str]:
    return distnlc("run", f"{folder}/study.yaml", "--out", folder, "--executor", "serial")


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("words", [["status", "study"], ["export", "study"], ["run", "study/study.yaml"]])
def test_what_rows_say_commands_no_terminal(home: Path, words: list[str]) -> None:
    """The rows are of units that the study does not have, too."""
    study(home / "study", {f"no unit {COMMANDS}": "failed"})
    code, said = distnlc(*words, *["--out", "study", "--executor", "serial"] * (words[0] == "run"))
    assert code in {0, 3}
    assert [each for each in said if not (each.isprintable() or each == "\n")] == []
    assert r"\x1b]0;owned\x07" in said or words[0] == "export"


def test_what_a_study_file_says_commands_no_terminal(home: Path) -> None:
    (home / "study.yaml").write_text('kind: rehearsal\n"\\e]0;owned\\a": 1\n')
    code, said = distnlc("run", "study.yaml")
    assert (code, "\x1b" in said) == (2, False)
    assert r"unknown field '\x1b]0;owned\x07'" in said


FOLDERS = "units", "checkpoints", "export"
FILES = "study.yaml.aside", "lock", "manifest", "progress.json", ".progress.json", "units/00000002.parquet.aside"


@pytest.mark.parametrize("name", [*FOLDERS, *FILES, "export/units.parquet"])
def test_a_link_in_the_folder_leads_no_command_out_of_it(home: Path, name: str) -> None:
    """Behind the link: a folder with things that the commands write or delete, or a file."""
    folder = study(home / "study", {"u1": "ok", "photos": "ok"})
    victim, path = home / "victim", folder / name
    if name in FOLDERS:
        victim.mkdir()
        (victim / "photos").mkdir()
        for file in ("photos/1.jpg", "00000001.parquet", "00000009.parquet", "units.parquet", "units.parquet.aside"):
            (victim / file).write_text("precious")
    else:
        victim.write_text("precious")
    if path.is_dir():
        path.rename(home / "moved")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(victim)
    before = tree(home / "victim") if victim.is_dir() else victim.read_bytes()
    for words in (["status", "study"], ["report", "study"], ["export", "study"]):
        code, said = distnlc(*words)
        assert "Traceback" not in said
        assert code in {0, 2}
    assert go_on()[0] in {0, 2}
    after = tree(home / "victim") if victim.is_dir() else victim.read_bytes()
    assert after == before


def test_a_link_in_place_of_a_unit_s_checkpoints_is_removed_and_not_what_it_leads_to(home: Path) -> None:
    folder = study(home / "study", {"u1": "ok"})
    (home / "photos").mkdir()
    (home / "photos" / "1.jpg").write_text("precious")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "u1").symlink_to(home / "photos")
    assert go_on()[0] == 0
    assert not (folder / "checkpoints" / "u1").is_symlink()
    assert tree(home / "photos") == {"1.jpg": b"precious"}


@pytest.mark.parametrize(
    "facts",
    [
        "[]",
        "null",
        "{}",
        "nonsense",
        "",
        "[" * 100_000,
        '{"host": "HOST", "pid": "1", "written_at": "now"}',
        '{"host": "HOST", "pid": 1e400, "written_at": 0}',
        '{"host": "HOST", "pid": 99999999999999999999, "written_at": 0}',
        *(
            json.dumps({"host": "elsewhere", "pid": 1, "written_at": time.time() + 60, **numbers})
            for numbers in (
                {"running": 1, "units_per_hour": "fast", "seconds_left": 1},
                {"running": 1, "units_per_hour": 1, "seconds_left": float("nan")},
                {"running": 1, "units_per_hour": 1, "seconds_left": float("inf")},
                {"running": 1, "units_per_hour": 1, "seconds_left": [1]},
            )
        ),
    ],
    ids=lambda facts: facts[:40],
)
def test_a_progress_file_of_nonsense_counts_as_none(home: Path, facts: str) -> None:
    whole = {"total": 3, "done": 1, "failed": 0, "elapsed_s": 1.0, "latest": ""}
    if facts.startswith('{"host": "elsewhere"'):
        facts = json.dumps(whole | json.loads(facts))
    facts = facts.replace("HOST", socket.gethostname())
    (study(home / "study", {"u1": "ok"}) / "progress.json").write_text(facts)
    code, said = distnlc("status", "study")
    assert code == 0
    assert "not at work" in said


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['touch witness']", "kind: &a [*a]"])
@pytest.mark.parametrize("command", ["status", "report", "run"])
def test_a_hostile_study_yaml_is_one_message(home: Path, text: str, command: str) -> None:
    """More of them in test_safe_yaml.py."""
    (study(home / "study", {"u1": "ok"}) / "study.yaml").write_text(text)
    code, said = go_on() if command == "run" else distnlc(command, "study")
    assert code == 2
    assert len(said) < 1000
    assert not (home / "witness").exists()
    with pytest.raises(StoreError):
        load(home / "study")


def test_a_study_is_kept_in_no_other_folder_than_studies(home: Path) -> None:
    (home / "evil.yaml").write_text("kind: rehearsal\nname: ../../elsewhere\n")
    assert distnlc("run", "evil.yaml", "--executor", "serial")[0] == 2
    assert sorted(path.name for path in home.iterdir()) == ["evil.yaml"]


@pytest.mark.parametrize("of_schema", [True, False])
def test_a_pickle_in_a_parquet_file_is_not_run(home: Path, of_schema: bool) -> None:
    """Arrow once loaded types from pickles in a column's metadata; pandas has metadata of its own."""
    folder = study(home / "study", {"u1": "ok"})
    schema = arrow_schema(RehearsalRow)
    hostile = pickle.dumps(Hostile(f"touch {home / 'witness'}"))
    column = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": hostile}
    rows = parquet.read_table(folder / "units" / "00000001.parquet").cast(schema)
    if of_schema:
        rows = rows.replace_schema_metadata({**(schema.metadata or {}), b"pandas": hostile})
    else:
        rows = rows.cast(pa.schema([field.with_metadata(column) for field in schema], schema.metadata))
    sink = io.BytesIO()
    parquet.write_table(rows, sink)
    (folder / "units" / "00000001.parquet").write_bytes(sink.getvalue())
    lines = (folder / "manifest").read_bytes().splitlines()
    chunk = json.loads(lines[1].partition(b" ")[2])
    chunk["files"]["units"] |= {"bytes": len(sink.getvalue()), "crc": zlib.crc32(sink.getvalue())}
    text = json.dumps(chunk, separators=(",", ":")).encode()
    (folder / "manifest").write_bytes(lines[0] + b"\n" + b"%08x %s\n" % (zlib.crc32(text), text))
    for command in ("status", "export", "report"):
        assert distnlc(command, "study")[0] in {0, 2}
    assert go_on()[0] in {0, 2}
    assert not (home / "witness").exists()


def test_pickled_arrays_in_prepared_data_and_checkpoints_are_not_loaded(home: Path) -> None:
    from distnlc.training.checkpoint import Checkpoints

    hostile = np.array([Hostile(f"touch {home / 'witness'}")], dtype=object)
    (home / "u1").mkdir()
    np.savez(home / "u1" / "00000001.npz", text=hostile, allow_pickle=True)
    assert Checkpoints(home / "u1", {}).load("cpu") is None
    assert [path.name for path in (home / "u1").iterdir()] == ["00000001.npz.bad"]
    assert not (home / "witness").exists()


def test_checkpoints_are_neither_read_nor_written_through_a_link(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distnlc.training import checkpoint

    (home / "photos").mkdir()
    for name in ("00000001.npz", "00000002.npz", "00000003.npz", ".00000004.npz.1"):
        (home / "photos" / name).write_text("precious")
    before = tree(home / "photos")
    (home / "u1").symlink_to(home / "photos")
    monkeypatch.setattr(checkpoint, "EVERY_S", -1.0)
    checkpoints = checkpoint.Checkpoints(home / "u1", {})
    assert checkpoints.load("cpu") is None
    checkpoints.offer(lambda: {"epoch": 1})
    assert tree(home / "photos") == before


def test_the_mirror_is_not_written_through_a_link(home: Path) -> None:
    """MLflow makes its tables in any SQLite file."""
    from distnlc.tracking.address import TrackingError, connect, default_uri

    folder = study(home / "study", {"u1": "ok"})
    for victim in ("places.sqlite", "none.sqlite"):
        (folder / "mlflow.db").unlink(missing_ok=True)
        (folder / "mlflow.db").symlink_to(home / victim)
        (home / "places.sqlite").write_bytes(b"")
        with pytest.raises(TrackingError, match=r"mlflow\.db: a symbolic link"):
            connect(default_uri(folder))
        assert not (home / "none.sqlite").exists()
        assert (home / "places.sqlite").read_bytes() == b""
