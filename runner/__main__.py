"""``python -m runner`` is the ``exsync`` command."""

from runner.cli import main

if __name__ == "__main__":
    main()
