"""`distnlc measure`: the initial metrics of the user's own network, and where they lie in a finished study.

`command.py` is the command, `table.py` the form of printed tables. `user.py` reads the user's network and inputs,
`network.py` measures any network; the comparison with the study is analysis/nlc/expectation.py.
"""
