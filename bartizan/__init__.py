"""Bartizan core: the pure rules that agent and controller share."""

__version__ = "0.1.0"
