"""Emulated cameras that behave as their makers document."""
