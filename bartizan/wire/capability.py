"""The one number that says what a program understands.

History:
    1  2026-11-23  first: hello, reports, events, order books, catalogue bundles, certificate renewal,
       sealed camera credentials, levels watch to quarantine, firmware and hardening duties
"""

CAPABILITY = 1
