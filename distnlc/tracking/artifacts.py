"""The artifacts of a study whose mirror is a bare database: files in the study's folder.

MLflow's records name a place for them, in full, and believe it: in a study that was moved or copied it is the old
place, in one from somebody else anything, such as a server. So nothing is written where the records say. The files go
into the folder that the study is in now, and the records are made to say so, for those who look with `mlflow ui`.
"""

from pathlib import Path
from urllib.parse import urlsplit

from distnlc.files import write_whole
from distnlc.tracking.address import TrackingError, sqlite_file

FOLDER = "mlartifacts"


class Artifacts:
    """The artifacts of one run, in FOLDER of a study's folder. Raises OSError and TrackingError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve() / FOLDER

    def location(self) -> str:
        """The address of all runs' artifacts, for MLflow's records."""
        return self.folder.as_uri()

    def write(self, run_id: str, name: str, text: str) -> None:
        """Writes or replaces a file of a run."""
        path = self.folder / run_id / "artifacts" / name
        if path.resolve() != path:
            raise TrackingError(f"{path}: leads elsewhere, through a symbolic link or '..'; nothing is written there")
        write_whole(path, lambda file: file.write(text.encode()))


def follow(uri: str, experiment_id: str, artifacts: Artifacts) -> tuple[bool, str | None]:
    """Makes a database's records say that the artifacts of an experiment are where they are.

    Whether they are there: not if the user's own database, not the study's, has a place of the user's own for them.
    And the other place that the records named before, if they did.
    """
    from sqlalchemy import Integer, String, column, create_engine, literal, select, table, update  # comes with mlflow

    experiments = table("experiments", column("experiment_id", Integer), column("artifact_location", String))
    runs = table("runs", column("experiment_id", Integer), column("run_uuid", String), column("artifact_uri", String))
    of_study, here = int(experiment_id), artifacts.location()
    right = literal(f"{here}/", String) + runs.c.run_uuid + literal("/artifacts", String)
    strays = (runs.c.experiment_id == of_study) & (runs.c.artifact_uri != right)
    file = sqlite_file(uri)
    is_own = file is not None and file.resolve().is_relative_to(artifacts.folder.parent)
    engine = create_engine(uri)
    try:
        with engine.begin() as records:
            which = experiments.c.experiment_id == of_study
            said = records.execute(select(experiments.c.artifact_location).where(which)).scalar() or ""
            if not is_own and not _is_folder_of_a_study(said):
                return False, None
            stray = records.execute(select(runs.c.artifact_uri).where(strays)).scalar()
            if said != here:
                records.execute(update(experiments).where(which).values(artifact_location=here))
            if stray is not None:
                records.execute(update(runs).where(strays).values(artifact_uri=right))
    finally:
        engine.dispose()
    before = said if said not in (here, str(artifacts.folder)) else stray
    if before is None or before.startswith((f"{here}/", f"{artifacts.folder}/")):
        return True, None
    return True, before


def _is_folder_of_a_study(location: str) -> bool:
    """Whether a study has put its artifacts there, in this folder or where it was before."""
    parts = urlsplit(location)
    return parts.scheme in ("", "file") and Path(parts.path).name == FOLDER
