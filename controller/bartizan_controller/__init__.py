"""Bartizan controller: pushes signed policy, runs rollouts, keeps the evidence."""

__version__ = "0.1.0"
