"""`distnlc measure`: the initial metrics of the user's own network, and where they lie in a finished study.

`command.py` is the command. `own.py` brings the user's network and inputs in, `network.py` measures any network; the
comparison with the study is analysis/reference.py.
"""
