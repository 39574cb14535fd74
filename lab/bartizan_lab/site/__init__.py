"""Whole sites on one machine: gateways, camera segments, recorders, a core network and an internet, in namespaces."""
