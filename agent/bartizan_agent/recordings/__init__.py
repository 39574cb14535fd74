"""Recordings: what a device answered a driver, without anything that tells which device it was, and read again."""
