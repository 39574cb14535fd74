"""Hanwha Vision (Wisenet) devices: SUNAPI, their discovery, ONVIF."""
