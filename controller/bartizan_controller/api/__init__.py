"""The HTTP API and what it needs from the rest."""
