"""Firmware: vendors' version grammars, vetted images, and which versions are open to what."""
