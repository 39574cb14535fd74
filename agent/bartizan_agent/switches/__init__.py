"""Managed switches: what their SNMP agents say of ports, VLANs and addresses, and on whose port a device is.

pysnmp is imported with the client alone: the agent, which runs for months in little memory, never holds it.
"""
