"""`distnlc measure`: the initial metrics of the user's own network, and where they lie in a finished study; and
`distnlc scaling`: at what pace its layers will learn.

`command.py` and `scaling_command.py` are the commands, `user.py` reads the user's network and inputs. `network.py`
measures any network, as much of it as `effort.py` says; `measured.py` compares it with a study (the statistics are
analysis/nlc/expectation.py) and `tested.py` with trained networks; `result.py` is what comes out, `progress.py` the
line that says how long it takes.
"""
