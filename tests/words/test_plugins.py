"""Plug-ins of all five types are found by type and name, loaded when they are asked for, and refused in one line."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distnlc.plugged import NamedMetric, check_plugins
from distnlc.plugins import (
    Family,
    Kind,
    Metric,
    Preparation,
    Source,
    packages_in_use,
    plugin_named,
    plugin_names,
    plugin_required,
    plugins_in_use,
    use_plugins,
)
from distnlc.spec import SpecError, SpecModel, identity
from tests.helpers.plugged import forget, installed, modules_in

MINE = """
import distnlc

def measure(network, inputs, labels, effort):
    return 1.0

METRIC = distnlc.Metric(name="mine", label="mine", measure=measure)
OTHER = distnlc.Metric(name="other", label="other", measure=measure, version="2")
SOURCE = distnlc.Source(name="mine", read=measure)
PREPARATION = distnlc.Preparation(name="mine", fit_and_apply=measure)
FAMILY = distnlc.Family(name="mine", draw=measure)
"""
OF_TYPES = (Metric, Source, Preparation, Family)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with modules_in(tmp_path, {"my_parts": MINE}):
        yield tmp_path


@pytest.mark.usefixtures("home")
def test_objects_of_all_types_are_found_by_type_and_name() -> None:
    use_plugins(["my_parts"])
    for type_ in OF_TYPES:
        found = plugin_named(type_, "mine")
        assert isinstance(found, type_)
    assert (plugin_named(Family, "other"), plugin_named(Kind, "mine")) == (None, None)
    assert plugin_names(Metric) == ["mine", "other"]
    assert plugins_in_use() == ["my_parts"]


@pytest.mark.usefixtures("home")
def test_what_is_not_there_is_told_with_what_there_is() -> None:
    use_plugins(["my_parts"])
    with pytest.raises(
        SpecError, match=r"^there is no metric 'mien' here; there are: mine, other \(the module of .*--pl"
    ):
        plugin_required(Metric, "mien")


def test_an_installed_object_is_loaded_only_when_its_name_is_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(home, mine="my_parts:METRIC", broken="none_such:METRIC")
    monkeypatch.syspath_prepend(home)
    assert plugin_named(Metric, "another") is None
    assert "my_parts" not in sys.modules
    found = plugin_named(Metric, "mine")
    assert found is not None
    assert found.label == "mine"
    assert plugin_named(Family, "mine") is None, "the entry point names the metric"
    with pytest.raises(
        SpecError, match=r"^entry point broken \(none_such:METRIC\): cannot be imported on this machine"
    ):
        plugin_named(Metric, "broken")


def test_a_broken_package_does_not_hide_the_others(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(home, mine="my_parts:METRIC", broken="none_such:METRIC", third="os:sep", second="my_parts:OTHER")
    monkeypatch.syspath_prepend(home)
    assert plugin_names(Metric) == ["mine"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert any(
        "expected an object of type distnlc.Kind, Metric, Source, Preparation or Family, found str" in each
        for each in said
    )
    assert any("the object is called 'other'; an entry point has its object's name" in each for each in said)


def test_a_name_that_two_have_is_refused_and_both_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "my_second.py").write_text(MINE)
    use_plugins(["my_parts"])
    with pytest.raises(
        SpecError, match=r"^plug-in my_second: there is a metric 'mine' already; give yours another name$"
    ):
        use_plugins(["my_second"])
    forget("my_second")
    use_plugins(["my_parts"])
    installed(home, mine="my_second:METRIC")
    monkeypatch.syspath_prepend(home)
    with pytest.raises(
        SpecError, match=r"two of the name 'mine', a metric each: plug-in my_parts and entry point mine"
    ):
        plugin_named(Metric, "mine")
    sys.modules.pop("my_second")


def test_one_object_that_is_both_named_and_installed_is_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(home, mine="my_parts:METRIC")
    monkeypatch.syspath_prepend(home)
    use_plugins(["my_parts"])
    assert plugin_names(Metric) == ["mine", "other"]
    assert plugin_named(Metric, "mine") is sys.modules["my_parts"].METRIC


@pytest.mark.parametrize(
    ("type_", "name"), [("SOURCE", "mnist"), ("PREPARATION", "paper"), ("SOURCE", "npz"), ("PREPARATION", "sphere")]
)
def test_the_name_of_what_comes_with_distnlc_is_taken(home: Path, type_: str, name: str) -> None:
    lines = [line.replace('"mine"', f'"{name}"') if line.startswith(type_) else line for line in MINE.splitlines()]
    (home / "my_parts.py").write_text("\n".join(lines))
    word = type_.lower()
    with pytest.raises(
        SpecError, match=f"^plug-in my_parts: there is a {word} '{name}' already; give yours another na"
    ):
        use_plugins(["my_parts"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('name="other"', 'name="<b>"'),
        ('name="other"', 'name=""'),
        ('name="other"', "name=3"),
        ('version="2"', "version=2"),
    ],
)
def test_objects_that_cannot_be_used_are_refused(home: Path, change: str, said: str) -> None:
    (home / "my_parts.py").write_text(MINE.replace(change, said))
    with pytest.raises(SpecError, match=r"^plug-in my_parts: .*expected a (name|version) of .*, found .+$"):
        use_plugins(["my_parts"])


class Measured(SpecModel):
    metrics: tuple[NamedMetric, ...] = ()


@pytest.mark.usefixtures("home")
def test_a_spec_takes_the_version_of_what_it_names_into_its_id() -> None:
    use_plugins(["my_parts"])
    spec = Measured.parse({"metrics": ["other"]})
    assert identity(spec) == {"metrics": [{"name": "other", "version": "2"}]}
    check_plugins(spec)
    with pytest.raises(
        SpecError, match="the study has the metric other in version 1; here it is version 2, which gives"
    ):
        check_plugins(Measured.parse({"metrics": [{"name": "other", "version": "1"}]}))


@pytest.mark.usefixtures("home")
def test_a_resolved_spec_is_read_where_its_plugins_are_not_and_told_so_where_it_would_run() -> None:
    spec = Measured.parse({"metrics": [{"name": "other", "version": "2"}]})
    assert "my_parts" not in sys.modules
    with pytest.raises(SpecError, match="there is no metric 'other' here; there are: none"):
        check_plugins(spec)


@pytest.mark.usefixtures("home")
def test_the_variable_names_modules_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DISTNLC_PLUGINS", "my_parts")
    use_plugins()
    assert plugin_names(Source) == ["mine"]


def test_a_worker_looks_for_modules_in_the_folder_of_the_driver(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "my_parts.py").write_text("raise ValueError('the wrong one')")
    monkeypatch.chdir(elsewhere)
    use_plugins(["my_parts"], home)
    assert packages_in_use() == ["my_parts"]
    assert sys.modules["my_parts"].__file__ == str(home / "my_parts.py")


@pytest.mark.parametrize("name", ["torch/__init__.py", "pandas.py"])
def test_a_file_beside_a_plugin_that_would_hide_a_library_is_refused_by_its_path(home: Path, name: str) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text("")
    with pytest.raises(SpecError, match=f"plug-in my_parts: {home / name} would hide the installed library"):
        use_plugins(["my_parts"])
    assert str(home) not in sys.path


def test_a_folder_of_files_hides_nothing_and_helpers_beside_a_plugin_are_found(home: Path) -> None:
    (home / "ray").mkdir()
    (home / "my_helper.py").write_text("VALUE = 1")
    (home / "my_second.py").write_text(f"import my_helper\n{MINE}".replace('"mine"', '"second"'))
    use_plugins(["my_second"])
    forget("my_second", "my_helper")


def test_an_installed_package_is_in_use_once_its_object_is_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(home, mine="my_parts:METRIC")
    monkeypatch.syspath_prepend(home)
    assert packages_in_use() == []
    assert plugin_named(Metric, "mine")
    assert packages_in_use() == ["my_parts"]
