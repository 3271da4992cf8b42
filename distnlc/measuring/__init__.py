"""`distnlc measure`: the initial metrics of the user's own network, and where they lie in a finished study; and
`distnlc scaling`: at what pace its layers will learn.

`command.py` and `scaling_command.py` are the commands, `table.py` the form of printed tables. `user.py` reads the
user's network and inputs, `network.py` measures any network; the comparison with the study is
analysis/nlc/expectation.py.
"""
