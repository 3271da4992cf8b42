"""The error of a figure or table for which a study has no records."""

from collections.abc import Sequence


class MissingRecordsError(ValueError):
    """The study has no records that this figure or table could show; the message says which are missing.

    Whoever shows the message lets it be `explained`, with the presets that the report names.
    """


def explained(error: MissingRecordsError, presets: Sequence[str]) -> str:
    """The message, with the presets that give the records, if any do."""
    return f"{error}; {given_by(presets)}" if presets else str(error)


def given_by(presets: Sequence[str]) -> str:
    """`the presets waveform-adam and paper give them`."""
    names = " and ".join(filter(None, (", ".join(presets[:-1]), presets[-1])))
    return f"the preset{'s' if len(presets) > 1 else ''} {names} give{'' if len(presets) > 1 else 's'} them"
