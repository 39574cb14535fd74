"""Fuzzing everything of the agent that reads octets of devices before any login."""
