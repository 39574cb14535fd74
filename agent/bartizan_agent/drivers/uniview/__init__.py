"""Uniview cameras and recorders, and those built by Uniview under other badges: LAPI."""
