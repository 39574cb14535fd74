"""Whoever has a certificate and speaks on the wire what an honest program never would."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bartizan_lab.demo.installation import MQTT_PORT
from bartizan_lab.netns import Namespace
from bartizan_lab.programs import Finished, command
from bartizan_lab.site import plan

NOT_AUTHORISED = "Not authorized"


@dataclass(frozen=True)
class Speaker:
    """One certificate, and where it is used."""

    name: str
    namespace: Namespace
    ca: Path
    certificate: Path
    key: Path

    async def say(self, topic: str, payload: bytes, folder: Path) -> Finished:
        """Publish, and wait until the broker has answered."""
        file = folder / "payload"
        file.write_bytes(payload)
        options = ("-t", topic, "-f", str(file), "-q", "1", "-V", "mqttv5", "-i", f"hostile-{self.name}")
        return await command(self.namespace, "mosquitto_pub", *self._broker(), *options, seconds=30)

    def _broker(self) -> tuple[str, ...]:
        files: Mapping[str, Path] = {"--cafile": self.ca, "--cert": self.certificate, "--key": self.key}
        return (
            "-h",
            plan.CONTROLLER,
            "-p",
            str(MQTT_PORT),
            *(text for option, file in files.items() for text in (option, str(file))),
        )
