"""Recorders and cameras built by TVT and Xiongmai for many badges: read by ONVIF, never updated from here."""
