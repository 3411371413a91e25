"""Which process runs which tests: a file's go to one, where its fixtures are made once.

xdist's own `--dist loadgroup` does nothing under pytest 9.2: it renames tests, and they keep their names.
"""

from xdist.scheduler import LoadScopeScheduling

REAL = "tests/real/"


class ByFile(LoadScopeScheduling):
    """Work is handed out file by file; all tests of the real model are one piece of work."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return REAL if file.startswith(REAL) else file
