"""Cameras of makers without a driver of their own, by the ONVIF device service."""
