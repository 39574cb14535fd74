"""A managed switch: real bridges in a network namespace, one for each VLAN, behind Debian's own SNMP agent."""
