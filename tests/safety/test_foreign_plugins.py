"""A study folder from somebody else that names plug-ins: none of its names is imported, whatever is done with it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from distnlc.sinks import mirror
from distnlc.spec import StudySpec
from distnlc.studies import from_fields
from tests.helpers.plugged import modules_in
from tests.helpers.synthetic import realistic_rows, write_study
from tests.helpers.typed import distnlc, no_mlflow

WITNESS = """
from pathlib import Path
Path("witness").write_text("this code was run")
import distnlc
METRIC = distnlc.Metric(name="evil", label="evil", measure=print)
FAMILY = distnlc.Family(name="evil", draw=print)
"""
NAMED = {"name": "evil", "version": "1"}
SPECS = {
    "a metric": {"metrics": {"extra": [NAMED]}},
    "a metric of a part": {"parts": {"a": {"metrics": {"extra": [NAMED]}}}},
    "a family": {"sampling": {"family": NAMED}},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The code lies where it would be found, were its name imported: in the current folder and in the study's."""
    monkeypatch.setattr(mirror, "find_spec", no_mlflow)
    (tmp_path / "study").mkdir()
    with modules_in(tmp_path, {"evil": WITNESS}):
        yield tmp_path


def spec_with(fields: dict[str, object]) -> StudySpec:
    return from_fields({"kind": "nlc", "name": "strange", **fields}, where="test")


@pytest.mark.slow
@pytest.mark.parametrize("what", SPECS)
def test_a_folder_that_names_a_plugin_is_read_without_it_and_not_run(what: str, home: Path) -> None:
    (home / "study").rmdir()
    write_study(home / "study", realistic_rows(3, failures=0, part="a"), spec_with(SPECS[what]))
    (home / "study" / "evil.py").write_text(WITNESS)
    for command in ("status", "report", "export"):
        answer = distnlc(command, "study")
        assert answer.code == 0, answer.err
    answer = distnlc("run", "study/study.yaml", "--out", "study", "--executor", "serial")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert f"there is no {'family' if 'family' in what else 'metric'} 'evil' here; there are: none" in answer.err
    assert "--plugin" in answer.err
    assert not (home / "witness").exists()
    assert "evil" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("line", ["name: waveform-noise", "preparation: null"])
def test_a_folder_that_names_data_is_counted_reported_and_exported_and_not_run(line: str, home: Path) -> None:
    (home / "study").rmdir()
    write_study(home / "study", realistic_rows(3, failures=0, part="a"), spec_with({}))
    written = (home / "study" / "study.yaml").read_text()
    assert written.count(f"  {line}\n") == 1
    (home / "study" / "study.yaml").write_text(written.replace(line, f"{line.partition(':')[0]}: evil"))
    for command in ("status", "report", "export"):
        answer = distnlc(command, "study")
        assert answer.code == 0, answer.err
    said = distnlc("status", "study").out
    assert "strange: units 3 ok" in said
    assert "more cannot be told here: " in said
    answer = distnlc("run", "study/study.yaml", "--out", "study", "--executor", "serial")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "(the module of another is named by --plugin or DISTNLC_PLUGINS), but got 'evil'" in answer.err
    assert not (home / "witness").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize("name", ["evil:METRIC", "evil", "os.system", "../evil", ["evil"], {"name": "evil"}])
@pytest.mark.parametrize("field", ["kind", "metric", "family", "data"])
def test_a_hand_written_name_is_one_message_and_never_imported(field: str, name: object, home: Path) -> None:
    fields: dict[str, object] = {"kind": "nlc"}
    fields |= {
        "kind": {"kind": name},
        "metric": {"metrics": {"extra": [name]}},
        "family": {"sampling": {"family": name}},
        "data": {"data": {"name": name}},
    }[field]
    (home / "strange.yaml").write_text(yaml.safe_dump(fields))
    answer = distnlc("run", "strange.yaml", "--executor", "serial")
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert not (home / "witness").exists()
    assert "evil" not in sys.modules


def test_only_the_plugin_that_the_user_names_is_imported(home: Path) -> None:
    assert distnlc("kinds", "--plugin", "evil").code == 0
    assert (home / "witness").exists()
