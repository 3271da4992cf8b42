"""What the commands do and say on a true study, done in this process; interruptions and failed units included."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from distnlc.analysis import EXAMPLES, correlate
from distnlc.engine import driver
from distnlc.plugins import Work
from distnlc.progress import NOTHING_YET
from distnlc.records import Records
from distnlc.sinks import console
from distnlc.spec import Unit
from distnlc.store import place_of, read_sessions, read_statuses
from distnlc.studies import presets
from distnlc.studies.nlc import unit as kind
from tests.helpers.typed import Answer, assert_same_rows, distnlc, rows

RUN = ("run", "tiny.yaml", "--out", "study", "--executor", "serial")
do_unit = kind.run


def typed_again(answer: Answer, before: str) -> Answer:
    """Types the command that stands behind these words."""
    command = next(line.partition(before)[2] for line in answer.out.splitlines() if before in line)
    program, *words = shlex.split(command)
    assert program == "distnlc"
    return distnlc(*words)


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the unit after so many is worked on."""
    done: list[Unit] = []

    def run(spec: Any, unit: Unit, work: Work) -> Records:
        done.append(unit)
        if len(done) > count:
            raise KeyboardInterrupt
        return do_unit(spec, unit, work)

    monkeypatch.setattr(kind, "run", run)


def test_the_summary_answers_the_question(finished_study: tuple[Path, str]) -> None:
    folder, said = finished_study
    table = rows(folder)["architectures"]
    found = correlate(table["init_nlc"], table["test_error"], log_x=True)
    assert "3 of 3 units to do" in said
    assert "3 architectures (0 failed), 12 training runs" in said
    assert (
        f"correlation of log initial NLC with test error is {found.pearson:.2f} "
        f"(95% interval {found.low:.2f} to {found.high:.2f}, p = {found.p_value:.2f}, n = 3)"
    ) in said
    assert f"report: {folder}/report/index.html" in said
    assert f"is {found.pearson:.2f} (95% interval" in (folder / "report" / "index.html").read_text()
    assert "tracking is off: MLflow is not installed" in said


@pytest.mark.usefixtures("full_report")
def test_a_finished_study_is_not_done_again_but_reported_again(home: Path, finished: Path) -> None:
    shutil.copytree(finished, home / "study")
    shutil.rmtree(home / "study" / "report")
    answer = distnlc(*RUN)
    assert answer.code == 0
    assert "nothing to do, all 3 units are done" in answer.out
    assert "correlation of log initial NLC" in answer.out
    assert distnlc("status", "study").out.endswith("finished; study/report/index.html\n")
    assert_same_rows(rows(home / "study"), rows(finished))


def test_of_several_studies_one_page_is_written(home: Path, finished: Path) -> None:
    assert distnlc("report", finished, finished).out == "reports: reports/index.html\n"
    assert distnlc("report", finished, finished, "--out", "both").out == "reports: both/index.html\n"
    page = (home / "both" / "index.html").read_text()
    for place in (finished.name, f"{finished.name}-2"):
        assert f'href="{place}/index.html"' in page
        assert (home / "both" / place / "index.html").is_file()


@pytest.mark.usefixtures("full_report")
def test_a_study_among_the_user_s_own_packages_ends_with_its_report(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with PYTHONPATH=. in a folder whose packages have the names of ours, `analysis` the first of them."""
    for name in ("analysis", "store", "studies", "metrics", "tracking"):
        (home / name).mkdir()
        (home / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of somebody else')\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(home)
    answer = distnlc(*RUN)
    assert (answer.code, answer.err) == (0, "")
    assert "study/report/index.html" in answer.out
    assert (home / "study" / "report" / "index.html").is_file()


def test_after_ctrl_c_the_command_that_is_shown_goes_on(
    home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        answer = distnlc(*RUN)
    assert answer.code == 130
    assert "interrupted: 1 of 3 units are kept" in answer.out
    assert len(read_statuses(home / "study")) == 1
    stopped = distnlc("status", "study")
    assert "1 of 3 units done, 0 failed" in stopped.out
    assert "not at work; go on: distnlc run study/study.yaml --out study\n" in stopped.out
    assert typed_again(answer, "go on: ").code == 0
    assert_same_rows(rows(home / "study"), rows(finished))
    assert [(session["units"], "seconds" in session) for session in read_sessions("study")] == [(1, True), (2, True)]


def test_what_the_filter_leaves_out_is_done_and_said_to_be_skipped(home: Path, finished: Path) -> None:
    depths = sorted(rows(finished)["architectures"]["depth"])
    answer = distnlc(*RUN, "--set", f"train_if=depth between 1 and {depths[0]}")
    assert answer.code == 0
    found = rows(home / "study")["architectures"]
    skipped = found[found["depth"] > depths[0]]
    assert len(skipped) > 0
    assert set(skipped["status"]) == {"skipped"}
    assert set(found.drop(skipped.index)["status"]) == {"ok"}
    assert f"3 of 3 units done, {len(skipped)} of them skipped, 0 failed" in distnlc("status", "study").out


def test_ctrl_c_while_the_workers_start_is_an_interruption_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("distnlc.cli.run._executor", start)
    answer = distnlc(*RUN)
    assert answer.code == 130
    assert f"0 of 3 units are kept; go on: distnlc {shlex.join(RUN)}\n" in answer.out


def test_ctrl_c_while_a_study_concludes_is_an_interruption_too(
    home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conclude(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("distnlc.cli.run._conclude", conclude)
    answer = distnlc(*RUN)
    assert answer.code == 130
    assert f"all units are kept; once more: distnlc {shlex.join(RUN)}\n" in answer.out
    assert_same_rows(rows(home / "study"), rows(finished))


def test_a_failed_unit_is_shown_with_its_reason_and_done_again_by_the_command_shown(
    home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(spec: Any, unit: Unit, work: Work) -> Records:
        if unit.index in {1, 2}:
            raise MemoryError(f"no room for number {unit.index}")
        return do_unit(spec, unit, work)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "run", run)
        answer = distnlc(*RUN)
    assert answer.code == 3
    assert "3 architectures (2 failed), 4 training runs" in answer.out
    row = rows(home / "study")["architectures"].iloc[1]
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "MemoryError: no room for number 1", 2)
    line = rf"failed: tiny 1: .*: MemoryError: no room for number 1; again: distnlc {shlex.join(RUN)} --unit (\w+)\n"
    assert re.findall(line, answer.out) == [row["unit_id"]] * 2  # when it happened, and in the summary
    again = typed_again(answer, "no room for number 1; again: ")
    assert again.code == 3  # the other one is still failed
    assert "1 of 3 units to do" in again.out
    assert list(rows(home / "study")["architectures"]["status"]) == ["ok", "ok", "failed"]
    status = distnlc("status", "study").out
    assert "2 of 3 units done, 1 failed" in status
    assert "again: distnlc run study/study.yaml --out study --unit " in status
    assert distnlc(*RUN, "--retry-failed").code == 0
    assert_same_rows(rows(home / "study"), rows(finished))


def test_status_from_another_shell_while_the_study_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def run(spec: Any, unit: Unit, work: Work) -> Records:
        seen.append(distnlc("status", "study").out)
        return do_unit(spec, unit, work)

    monkeypatch.setattr(kind, "run", run)
    for module, setting in (console, "PROGRESS_FILE_S"), (console, "WRITING_SHARE"), (driver, "PROGRESS_S"):
        monkeypatch.setattr(module, setting, 0.0)
    assert distnlc(*RUN).code == 0
    for done, said in enumerate(seen):
        assert f"{done} of 3 units done, 1 running on 1 worker, 0 failed" in said
        assert f"at work: process {os.getpid()} on " in said
    assert "time left not known yet" in seen[0]
    assert re.search(r"\d+/h, .+ left", seen[1])
    assert "best test error" in seen[1]
    assert "correlation" not in seen[1]
    over = distnlc("status", "study").out
    assert "3 of 3 units done, 0 failed" in over
    assert "correlation" in over
    assert over.endswith("finished\n"), "no report was written here"


def leave_progress(folder: Path, pid: int, workers: int) -> None:
    """What a driver with this number says of itself."""
    facts = asdict(replace(NOTHING_YET, workers=workers))
    who = {"host": os.uname().nodename, "pid": pid, "written_at": 2e9}
    (folder / "progress.json").write_text(json.dumps(facts | who))


def test_a_driver_that_was_killed_is_not_at_work(home: Path, finished: Path) -> None:
    shutil.copytree(finished, home / "study")
    leave_progress(home / "study", pid=os.getpid(), workers=2)  # its number is another process's now
    assert "at work" not in distnlc("status", "study").out
    assert distnlc(*RUN).code == 0
    assert not (home / "study" / "progress.json").exists(), "another process may get its number"


def test_status_says_that_a_study_waits_for_workers(home: Path, finished: Path) -> None:
    shutil.copytree(finished, home / "study")
    leave_progress(home / "study", pid=os.getpid(), workers=0)
    place = place_of(home / "study")
    place.lock()
    assert (
        f"at work: process {os.getpid()} on {os.uname().nodename}; {console.NO_WORKER}\n"
        in distnlc("status", "study").out
    )
    (home / "study" / "progress.json").unlink()
    assert "; it begins, or concludes\n" in distnlc("status", "study").out
    place.unlock()


def test_plan_says_what_would_be_done_and_does_nothing(home: Path) -> None:
    settings = ["--set", "data.name=mnist", "--set", "sampling.count=5", "--set", "sampling.parameters=4000"]
    answer = distnlc("plan", "tiny.yaml", "--workers", "2", *settings)
    assert answer.code == 0
    assert "parameters: 4000" in answer.out  # the resolved spec
    assert re.search(r"tiny: 5 units, .+ of work", answer.out)
    assert re.search(r"about 5 architectures, 20 runs, [\d,]+ epochs; 0.\d MB on disk", answer.out)
    assert re.search(r"about \d.* with 2 workers on (cpu|cuda)", answer.out)
    assert [path.name for path in home.iterdir()] == ["tiny.yaml"]


def test_plan_estimates_a_gpu_that_is_not_here_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distnlc.cli.plan.best_device", lambda: "cpu")
    answer = distnlc("plan", "tiny.yaml", "--device", "cuda", "--workers", "2")
    assert answer.code == 0, answer.err
    assert "not on this machine: NVIDIA H200, estimated by a model; nobody has measured it" in answer.out
    assert re.search(r"on one such GPU with MPS: 2 workers \d.* h", answer.out)
    end = r"about \d.* on 2 such GPUs with one worker each \(estimated by a model; nobody has measured it\)$"
    assert re.search(end, answer.out.rstrip())


def test_plan_refuses_a_gpu_that_is_not_here_for_a_kind_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distnlc.cli.plan.best_device", lambda: "cpu")
    answer = distnlc("plan", "nlc-initial-quick", "--device", "cuda")
    assert answer.code == 2
    assert "for studies of the kind nlc-initial there is no model of one; plan on the machine" in answer.err


def test_plan_counts_on_the_cores_that_the_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert "with 1 worker on cpu" in distnlc("plan", "tiny.yaml", "--device", "cpu").out
    finally:
        os.sched_setaffinity(0, before)


def test_export_writes_the_rows(home: Path, finished: Path) -> None:
    expected = rows(finished)
    for form, read in (("parquet", pd.read_parquet), ("csv", pd.read_csv)):
        answer = distnlc("export", finished, "--out", home / form, "--format", form)
        assert answer.out.splitlines() == [str(home / form / f"{name}.{form}") for name in expected]
        for name, table in expected.items():
            found = read(home / form / f"{name}.{form}")
            assert list(found["unit_id"]) == list(table["unit_id"])
            assert set(table.columns) <= set(found.columns)


def heavy_modules_after(*commands: str) -> dict[str, list[str]]:
    """What a process that is new has imported of what is slow to import, at the end of each command."""
    heavy = ("torch", "ray", "mlflow", "pandas", "optuna", "pyarrow")
    code = f"""if True:
        import shlex, sys
        from distnlc.cli import main
        for command in sys.argv[1:]:
            sys.argv[1:] = shlex.split(command)
            try:
                main()
            except SystemExit:
                print(chr(0), *[name for name in {heavy} if name in sys.modules], chr(0))"""
    typed = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, encoding="utf-8", check=False)
    return dict(zip(commands, map(str.split, typed.stdout.split("\0")[1::2]), strict=True))


def test_presets_help_and_wrong_words_are_answered_at_once() -> None:
    commands = ["presets", "--help", "run --help", "run quick --budget 3", "run quick --set a=1", "status gone", "walk"]
    assert heavy_modules_after(*commands) == {command: [] for command in commands}


@pytest.mark.parametrize("kind", ["nlc", "nlc_initial"])
@pytest.mark.slow
def test_a_study_is_watched_and_exported_without_torch(kind: str, tmp_path: Path) -> None:
    example = str(EXAMPLES / kind)
    watched, exported = f"status {example}", shlex.join(["export", example, "--out", str(tmp_path)])
    found = heavy_modules_after(watched, exported)
    assert found[watched] == ["pyarrow"]
    assert "torch" not in found[exported]


def test_presets_are_listed_by_kind_one_a_line() -> None:
    said = distnlc("presets").out
    for kind_name, named in presets().items():
        lines = said.partition(f"{kind_name}\n")[2].splitlines()
        for line, (name, about) in zip(lines, named.items(), strict=False):
            assert line == f"  {name:<24} {about}"
