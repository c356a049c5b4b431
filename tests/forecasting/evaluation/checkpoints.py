"""Files of checkpoints, looked into from outside."""

import sqlite3
from contextlib import closing


def entries(path):
    """Return how many entries a file has, which another process may be writing."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as file:
        tables = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return file.execute("SELECT count(*) FROM entries").fetchone()[0] if tables else 0
