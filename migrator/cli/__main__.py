"""``python -m migrator.cli``: the command where no script is installed."""

from migrator.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
