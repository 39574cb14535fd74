"""How many cameras may be down at once, and which never together. Pure.

Cameras that look at the same thing (`covers:<x>` among their tags) are never down together; a camera that somebody
must go to is down until it is seen alive again.
"""

from bartizan.ids import DeviceId

COVERS = "covers:"


class Places:
    """The places on one site for cameras that are down."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._updating: dict[DeviceId, frozenset[str]] = {}
        self._lost: dict[DeviceId, frozenset[str]] = {}

    def take(self, device: DeviceId, tags: tuple[str, ...]) -> str:
        """Take a place. Return why that is not possible now; empty if it was, or if the device has one."""
        views = _views(tags)
        for other, covered in (self._updating | self._lost).items():
            if other != device and views & covered:
                return f"{other} covers {min(views & covered)} as well, and is down"
        if device not in self._updating and len(self._updating) >= self._at_once:
            return f"{len(self._updating)} cameras of this site are being updated"
        self._updating[device] = views
        return ""

    def keep(self, device: DeviceId, tags: tuple[str, ...]) -> None:
        """Take a place whatever else is down: the camera may be down already, since before a restart of the agent."""
        self._updating[device] = _views(tags)

    def give_back(self, device: DeviceId) -> None:
        """Give up a device's place, if it has one."""
        self._updating.pop(device, None)

    def lose(self, device: DeviceId, tags: tuple[str, ...]) -> None:
        """Note that a camera stays down. It takes no place, but what it covers stays covered by the others."""
        self._updating.pop(device, None)
        self._lost[device] = _views(tags)

    def found(self, device: DeviceId) -> None:
        """Note that a camera is alive."""
        self._lost.pop(device, None)


def _views(tags: tuple[str, ...]) -> frozenset[str]:
    return frozenset(tag.removeprefix(COVERS) for tag in tags if tag.startswith(COVERS))
