"""What distinguishes one Axis model and firmware from another."""

from dataclasses import dataclass

_UNRESTRICTED_SINCE = (10, 0)
_MANAGED_SINCE = (7, 40)


@dataclass(frozen=True)
class AxisTraits:
    """Fixed facts of a model."""

    hardware_id: str = "70E"
    product_type: str = "Network Camera"
    architecture: str = "armv7hf"
    soc: str = "Axis Artpec-7"
    spells_committed_right: bool = False
    """The status says `isCommitted`; most firmware leaves out one t."""
    revoked: frozenset[str] = frozenset()
    """Versions whose images it refuses."""


def version_numbers(firmware: str) -> tuple[int, ...]:
    """Return the numbers of `9.80.1`, for comparing."""
    return tuple(int(part) for part in firmware.split(".") if part.isdecimal())


def answers_without_login(firmware: str) -> bool:
    """Return whether basicdeviceinfo knows `getAllUnrestrictedProperties`."""
    return version_numbers(firmware) >= _UNRESTRICTED_SINCE


def has_parameters_alone(firmware: str) -> bool:
    """Return whether it is older than basicdeviceinfo, systemready and firmware management."""
    return version_numbers(firmware) < _MANAGED_SINCE
