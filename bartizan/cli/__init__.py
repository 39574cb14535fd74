"""The `bartizan` command: what estates teams, SOC operators and approvers type. Talks to the controller's API.

Exit codes, for scripts: 0 done; 1 refused, failed, or a check that did not pass; 2 wrong usage; 3 the controller
cannot be reached; 4 not allowed; 5 a genuine statement that does not prove the whole time.
"""

import sys


def main() -> None:
    """Run the command; the packages for people are an extra that a gateway does not carry."""
    try:
        from bartizan.cli.root import run
    except ModuleNotFoundError as missing:
        sys.exit(f"the bartizan command needs {missing.name}: install it with  pip install 'bartizan[cli]'")
    run()
