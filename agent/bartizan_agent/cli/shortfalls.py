"""What is to be mended about one device, as `explain` tells it."""

from bartizan.hardening.model import Standing
from bartizan.hardening.rules import findings
from bartizan.identity.model import Device
from bartizan.policy.model import Verdict


def shortfalls(device: Device, verdict: Verdict) -> list[str]:
    """Return every shortfall with its mending, what was demanded whatever came of it, and what it could recognise."""
    demanded = {duty.value for duty in verdict.harden}
    lines = []
    for finding in findings(device.hardening):
        wanted = ", policy demands it" if finding.check in demanded else ""
        if finding.standing is Standing.FAILED:
            lines.append(f"  fails {finding.check} ({finding.severity.value}{wanted}): {finding.evidence}")
            lines.append(f"    to mend it: {finding.mend}")
        elif wanted:
            lines.append(f"  {finding.check}: {finding.standing.value}{wanted}")
    lines += [f"  offers {offer}" for offer in device.hardening.analytics]
    return ["hardening:", *lines] if lines else []
