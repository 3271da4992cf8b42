"""Exit codes; 0: all units done."""

USAGE, WITH_FAILURES, INTERRUPTED = 2, 3, 130
