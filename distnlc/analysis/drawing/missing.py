"""What is raised where a study has no records for a figure or a table."""


class MissingRecordsError(ValueError):
    """The study has no records that this figure or table could show.

    The message says which are missing and ends with `given_by`: which presets would give them.
    """


def given_by(*presets: str) -> str:
    """The end of a MissingRecordsError: `the presets waveform-adam and paper give them`."""
    names = " and ".join((", ".join(presets[:-1]), presets[-1])) if len(presets) > 1 else presets[0]
    return f"the preset{'s' if len(presets) > 1 else ''} {names} give{'' if len(presets) > 1 else 's'} them"
