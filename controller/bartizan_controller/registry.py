"""Who registered a MAC prefix with the IEEE, whatever it makes: the one module that uses aiooui.

Its table has blocks of 24 bits. The parts of 28 and 36 bits that the registry gives out of some of them are not in it,
and are told as such; those of camera makers stand in the catalogue.
"""

from collections.abc import Iterable

import aiooui

from bartizan.ids import Mac, is_locally_administered

MADE_UP = "made up by software"
IN_PARTS = "a block that the IEEE gives out in parts"
_REGISTRY = "IEEE Registration Authority"


async def registered_to(macs: Iterable[Mac]) -> dict[Mac, str]:
    """Return the organisation that each MAC's block is registered to; those that nobody registered are left out."""
    await aiooui.async_load()
    found = {mac: _organisation(mac) for mac in macs}
    return {mac: organisation for mac, organisation in found.items() if organisation}


def _organisation(mac: Mac) -> str:
    if is_locally_administered(mac):
        return MADE_UP
    name: str = aiooui.get_vendor(mac) or ""
    return IN_PARTS if name.startswith(_REGISTRY) else name
