"""Containment by managed switches: a second enforcer beside the packet filter, for what never crosses the gateway.

    settings    which switches there are, and what each may do
    client      SNMP, bounded            reading    a switch's tables as a `View`
    locate      on whose port a MAC is   planning   which port is to be held, and why some cannot be
    writing     what to set, in which order, to hold a port and to give it back
    journal     how every held port was before: on disk before the first write
    enforcer    `apply`, `read`, `remove_all` over all of these
    report      what the switches really hold

pysnmp is imported with the client alone: the agent, which runs for months in little memory, never holds it.
"""
