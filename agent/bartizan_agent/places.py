"""Where the agent keeps things: the files of one state folder, named in one place."""

import shutil
from pathlib import Path

from bartizan_agent import first

FREE_OCTETS = 1024 * 1024  # less is as good as none: a catalogue does not fit
DEFAULT_STATE = Path(first.DEFAULT_STATE)
DEFAULT_CONFIGURATION = Path("/etc/bartizan/agent.toml")


class Places:
    """The parts of the state folder. What boot restores (`ruleset.nft`) lies beside them."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.keys = state / "keys"
        self.catalogue = state / "catalogue"
        self.orders = state / "orders"
        self.credentials = state / "credentials.json"
        self.store = state / "agent.sqlite"
        self.losses = state / "events-lost"
        self.clock = state / "clock"
        self.ruleset = state / "ruleset.json"
        """The ruleset last applied, as a value: the floor while something of the state is damaged."""
        self.confirmation = state / "confirmation.json"
        """The way to the controller, and whether it works under what is enforced."""
        self.interfaces = state / "interfaces.json"
        """Which interfaces the camera segments have, so that one is known when it is called otherwise."""
        self.release = state / "released.json"
        self.spool = state / "spool"
        """Events of other programs of this package, until the agent takes them into its outbox."""
        self.wake = state / "wake"
        """A socket: any datagram has the agent look at the release marker and the spool."""
        self.link = state / "link.json"
        """Whether the controller can be reached, and since when: for `bartizan-agent status`."""
        self.self_test = state / "self-test.json"
        """What came of the last self-test, as it is reported."""
        self.lock = state / "firewall.lock"
        """Held by whoever changes the packet filter."""
        self.switches = state / "switches.json"
        """How the ports of managed switches were before they were held."""
        self.switches_lock = state / "switches.lock"
        """Held by whoever sets managed switches."""
        self.switches_seen = state / "switches-seen.json"
        """What managed switches said last."""
        self.turns = state / "cameras.lock"
        """Held, an octet for each camera, by whoever speaks to it."""
        self.images = state / "images"
        self.backups = state / "backups"

    def is_full(self) -> bool:
        """Return whether there is no room left to keep anything."""
        try:
            return shutil.disk_usage(self.state).free < FREE_OCTETS
        except OSError:  # the folder is not there yet
            return False
