"""The commands that show what there is: a study's report, figures, tables and rows; the presets and the kinds."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from distnlc.cli.words import FolderArgument, PluginOption, SetOption, study_of
from distnlc.plugins import PARTS_OF_STUDIES, kind_of, plugin_names, use_plugins, word_for
from distnlc.plugins import kinds as all_kinds
from distnlc.sinks.console import say
from distnlc.store import read_spec_fields
from distnlc.studies import presets as named_studies

SEVERAL = "reports"
"""the folder of several studies' reports, in the current one"""
NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="omit it to list the names")]


def report(
    folders: Annotated[list[str], typer.Argument(metavar="DIR...", help="study folders or s3:// addresses")],
    out: Annotated[str | None, typer.Option(help=f"a folder; default DIR/report, of several studies {SEVERAL}")] = None,
    plugin: PluginOption = None,
) -> None:
    """Writes the HTML report with all figures and tables that the records allow; of several, a page leads to each."""
    from distnlc.analysis.report import index, study

    use_plugins(plugin or ())
    if len(folders) == 1:
        say(f"report: {study.write_report(folders[0], out=out)}")
    else:
        say(f"reports: {index.write_index(folders, out or SEVERAL)}")


def figure(
    folder: FolderArgument,
    name: NameArgument = None,
    out: Annotated[Path | None, typer.Option(help="a .png, .svg or .pdf file; default DIR/report/NAME.png")] = None,
    plugin: PluginOption = None,
) -> None:
    """Draws one figure and says its numbers; without a name lists the figures that there are."""
    from distnlc.analysis.report import study

    use_plugins(plugin or ())
    for line in study.figure_names(folder) if name is None else study.write_figure(folder, name, out):
        say(line)


def table(
    folder: FolderArgument,
    name: NameArgument = None,
    out: Annotated[Path | None, typer.Option(help="a text file, in place of the terminal")] = None,
    plugin: PluginOption = None,
) -> None:
    """Prints one table; without a name lists the tables that there are."""
    from distnlc.analysis.report import study

    use_plugins(plugin or ())
    for line in study.table_names(folder) if name is None else study.table_lines(folder, name, out):
        say(line)


def export(
    folder: FolderArgument,
    out: Annotated[Path | None, typer.Option(help="a folder; default DIR/export")] = None,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="format of the files")] = "parquet",
) -> None:
    """Writes each table as one Parquet or CSV file."""
    from distnlc.store import export as export_tables

    if out is None and "://" in folder:
        raise typer.BadParameter("name a folder of this machine for the tables", param_hint="--out")
    read_spec_fields(folder)  # says best what is wrong with a folder that is no study
    for path in export_tables(folder, out or Path(folder, "export"), form):
        say(str(path))


def presets(plugin: PluginOption = None) -> None:
    """Lists the named studies, by kind."""
    use_plugins(plugin or ())
    for kind, named in named_studies().items():
        if named:
            say(kind)
        for name, summary in named.items():
            say(f"  {name:<24} {summary}")


def kinds(
    check: Annotated[
        str | None,
        typer.Option(
            "--check", metavar="SPEC", help="a small study, by which its kind is tried; its folder is deleted"
        ),
    ] = None,
    assignments: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Lists the kinds of study and the plug-ins; with --check tries whether a kind keeps what every kind must."""
    use_plugins(plugin or ())
    if check is None:
        for name in all_kinds():
            kind = kind_of(name)
            about = (kind.spec.__doc__ or "").strip().partition("\n")[0]
            say(f"{name:<16} {about} Tables: {', '.join(kind.tables)}")
        for type_ in PARTS_OF_STUDIES:
            if names := plugin_names(type_):
                say(f"{word_for(type_, len(names))} of your own: {', '.join(names)}")
        return
    from distnlc.cli.contract import check_kind

    with tempfile.TemporaryDirectory() as folder:
        for line in check_kind(study_of(check, assignments, None), Path(folder)):
            say(line)
