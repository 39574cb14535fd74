"""What is to be mended about one device, in lines, as `bartizan device show` tells it."""

from bartizan.cli.inventory import Json
from bartizan.hardening.model import Standing


def shortfalls(found: list[Json], posture: Json) -> list[str]:
    """Return in lines what failed, and what policy demands, whatever came of it.

    Args:
        found: The findings of one device, as the API gives them.
        posture: Of that device.
    """
    demanded = posture.get("harden", {})
    told = [each for each in found if each["standing"] == Standing.FAILED.value or each["check"] in demanded]
    return [_line(each, is_demanded=each["check"] in demanded) for each in told]


def _line(finding: Json, *, is_demanded: bool) -> str:
    wanted = ", policy demands it" if is_demanded else ""
    mend = f"; to mend it: {finding['mend']}" if finding["standing"] == Standing.FAILED.value else ""
    evidence = f": {finding['evidence']}" if finding["evidence"] else ""
    return f"{finding['check']} {finding['standing']} ({finding['severity']}{wanted}){evidence}{mend}"
