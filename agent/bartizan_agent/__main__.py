"""`python -m bartizan_agent` is `bartizan-agent`."""

import sys

from bartizan_agent import first

if __name__ == "__main__":
    first.contain()
    from bartizan_agent.cli import main

    sys.exit(main())
