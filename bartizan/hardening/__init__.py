"""Hardening: from what was read of a device's settings to what is to be mended. Read, never changed."""
