"""Bosch cameras: read by ONVIF, never updated from here."""
