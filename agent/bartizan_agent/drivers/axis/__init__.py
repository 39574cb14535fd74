"""Axis cameras: VAPIX."""
