"""Logging for operators: one JSON object a line, for the journal and whatever collects it."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Writes a record's fields beside its message, and the whole chain of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("bartizan_agent."),
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["because"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def begin(*, verbose: bool, stream: TextIO | None = None) -> None:
    """Write everything from INFO on, or from DEBUG on, to standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    # Their INFO lines are per request, per packet and per missing signature.
    for chatty in ("httpx", "httpcore", "mqtt", "apscheduler", "tuf"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
