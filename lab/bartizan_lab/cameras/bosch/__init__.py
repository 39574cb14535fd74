"""Bosch devices: their discovery, ONVIF."""
