"""The one number that says what a program understands.

History:
    1  2026-11-23  first: hello, reports, events, order books, catalogue bundles, certificate renewal,
       sealed camera credentials, levels watch to quarantine, firmware and hardening duties
    2  2026-11-25  advisories: a grade for each rule, kinds, brands and platforms, imports and what they left unread;
       fingerprints as signed content; what was found of each device's hardening, and whether a site permits the check
       for default passwords
    3  2026-12-01  rules that begin on a day, and days by which devices must be removed; of each recorder, which camera
       is behind which channel
    4  2026-12-01  staged pushes: policy that is verified and waits, orders that activate it, the version in force;
       when a destination was first and last tried, as the gateway found it; gaps in which a gateway did not measure,
       and devices that try more than is listed, as events; headers of dropped packets, and names of the DNS that were
       asked for; the port of a managed switch that holds a device; self-tests that a gateway makes by itself or when
       ordered, and what came of the last; gateways that stand by for another's site;
       whether a gateway's disk is full; statements that the controller asks for; a gateway's own addresses on its
       camera segments; camera segments without an interface
"""

CAPABILITY = 4

SCHEDULES = 3
"""The first capability whose programs read rules with a beginning or a day of removal."""

PUSHES = 4
"""The first capability whose programs hold policy back, and know orders that activate it."""

SELF_TESTS = 4
"""The first capability whose programs know orders that ask for a self-test."""

STANDBYS = 4
"""The first capability whose programs know gateways that stand by for another's site."""

EVIDENCE = 4
"""The first capability whose programs tell in which time they did not measure."""
