"""Bartizan lab: emulated cameras, sites in network namespaces, fleets on one machine."""

__version__ = "0.1.0"
