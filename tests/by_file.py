"""Who runs what when tests run side by side."""

from xdist.scheduler.loadscope import LoadScopeScheduling

TOGETHER = ("tests/packaging/", "tests/e2e/test_kill_in_every_phase.py", "tests/e2e/test_bad_days.py", "tests/e2e/")
"""Beginnings of files that one worker runs one after the other. What they share is too dear to be made by several
workers, or whole sites at once would leave none of them the time that it needs.
"""


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # published without type information
    """A file is run by one worker, and so is what belongs together; in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = nodeid.partition("::")[0]
        return next((beginning for beginning in TOGETHER if file.startswith(beginning)), file)
