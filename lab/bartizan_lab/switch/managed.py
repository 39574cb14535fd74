"""Debian's snmpd inside an emulated switch: users, rights, and who answers for the tables that it has not itself.

IF-MIB is snmpd's own, of the namespace's real interfaces: a port that is shut down by SNMP has no link any more.
"""

import shlex
import sys
from pathlib import Path

from bartizan_lab.netns import Namespace
from bartizan_lab.programs import Program
from bartizan_lab.switch.state import SwitchState, arrange, load, save

USER, AUTHENTICATION, PRIVACY, COMMUNITY = "bartizan", "authentication-passphrase", "privacy-passphrase", "lab-only"


class ManagedSwitch:
    """One switch that can be set by SNMP.

    Args:
        namespace: Whose interfaces `p<n>`, `uplink` and `iso<n>` are its ports.
        folder: Its own, for its state, configuration and log.
        address: Where its agent listens, in that namespace.
    """

    def __init__(self, namespace: Namespace, folder: Path, address: str) -> None:
        self.namespace = namespace
        self.address = address
        self.file = folder / "switch.json"
        self._configuration = folder / "snmpd.conf"
        self._kept = folder / "snmpd"
        folder.mkdir(parents=True, exist_ok=True)
        self._kept.mkdir(mode=0o700, exist_ok=True)
        arguments = ("snmpd", "-f", "-Lo", "-C", "-c", str(self._configuration), f"udp:{address}:161")
        self.agent = Program(
            "snmpd", namespace, arguments, folder / "snmpd.log", {"SNMP_PERSISTENT_DIR": str(self._kept)}
        )

    def set_up(self, **quirks: str) -> None:
        """Plug every port in as it leaves the factory."""
        with self.namespace.entered():
            state = load(self.file)
            state.quirks = quirks
            save(self.file, state)
            arrange(state)

    def notice_ports(self) -> None:
        """Set ports that were plugged in since as they leave the factory."""
        self.change(self.state())

    def state(self) -> SwitchState:
        """Return what it is set to."""
        with self.namespace.entered():
            return load(self.file)

    def change(self, state: SwitchState) -> None:
        """Set it as an operator at its console would."""
        with self.namespace.entered():
            save(self.file, state)
            arrange(state)

    async def start(self) -> None:
        """Start its agent."""
        self._configuration.write_text(_configuration(self.file), encoding="utf-8")
        await self.agent.start()


def _configuration(state: Path) -> str:
    answers = shlex.join([sys.executable, "-m", "bartizan_lab.switch.pass_persist", str(state)])
    return f"""\
createUser {USER} SHA-256 "{AUTHENTICATION}" AES "{PRIVACY}"
rwuser {USER} authPriv
rwcommunity {COMMUNITY}
sysDescr Emulated managed switch
sysName sw1
pass_persist .1.3.6.1.2.1.17 {answers}
pass_persist .1.0.8802.1.1.2 {answers}
"""
