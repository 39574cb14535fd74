"""Bartizan agent: the watch-post on a site's gateway."""

__version__ = "0.1.0"
