"""Uniview devices: LAPI, ONVIF."""
