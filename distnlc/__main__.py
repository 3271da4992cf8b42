"""`python -m distnlc`: the command from a checkout that is not installed."""

from distnlc.cli import main

if __name__ == "__main__":
    main()
