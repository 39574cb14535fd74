"""Hikvision cameras and recorders, and those built by Hikvision under other badges."""
