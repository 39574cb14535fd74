"""SNMP to one switch: reading values, walking tables, setting one value at a time. Everything is bounded.

The only module that imports pysnmp. Values cross its border as numbers and octets. A question is asked three times; a
table that does not end, or goes backwards, is a failure and not a long wait.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol, Self

from bartizan.errors import BartizanError
from bartizan_agent.errors import BadSettings
from bartizan_agent.switches.oids import Oid
from bartizan_agent.switches.settings import Authentication, Privacy, Secret, SnmpVersion, SwitchSettings

RETRIES = 2
ROWS = 20_000  # of one table; a switch learns some thousand addresses
ROWS_AT_ONCE = 25

Value = int | bytes
Row = tuple[Oid, Value]
"""The index of an instance, and its value."""


class SwitchFailed(BartizanError):
    """A switch did not answer, or not as it should."""


class SwitchRefused(SwitchFailed):
    """A switch answered that it will not be set so."""


class Snmp(Protocol):
    """One switch, as it is asked and set."""

    async def get(self, oid: Oid) -> Value | None:
        """Return one value; None where there is no such instance.

        Raises:
            SwitchFailed: No answer, or none that makes sense.
        """

    async def walk(self, column: Oid) -> tuple[Row, ...]:
        """Return a column of a table, in order; empty where there is no such table.

        Raises:
            SwitchFailed: As for `get`; or the table goes backwards, or has more than `ROWS` rows.
        """

    async def set(self, oid: Oid, value: Value, *, unsigned: bool = False) -> None:
        """Set one value.

        Raises:
            SwitchFailed: As for `get`. Whether it was set is unknown.
            SwitchRefused: The switch did not set it.
        """


class Session:
    """A `Snmp` over UDP. Use it as `async with`."""

    def __init__(self, settings: SwitchSettings, secret: Secret) -> None:
        """Prepare to speak to a switch.

        Raises:
            BadSettings: pysnmp is not installed.
        """
        self._hlapi = _pysnmp()
        self._settings = settings
        self._credentials = self._authority(secret)
        self._engine = self._hlapi.SnmpEngine()
        self._target: Any = None

    async def __aenter__(self) -> Self:
        hlapi, settings = self._hlapi, self._settings
        kind = hlapi.Udp6TransportTarget if ":" in settings.address else hlapi.UdpTransportTarget
        try:
            self._target = await kind.create(
                (settings.address, settings.port), timeout=settings.answer_seconds, retries=RETRIES
            )
        except (OSError, hlapi.PySnmpError) as error:
            raise SwitchFailed(f"{settings.address} cannot be spoken to") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.close_dispatcher()

    async def get(self, oid: Oid) -> Value | None:
        """See `Snmp`."""
        ((_, value),) = await self._ask(self._hlapi.get_cmd, (), self._binding(oid))
        return _plain(value)

    async def walk(self, column: Oid) -> tuple[Row, ...]:
        """See `Snmp`."""
        rows: list[Row] = []
        at = column
        while True:
            bindings = await self._ask(self._hlapi.bulk_cmd, (0, ROWS_AT_ONCE), self._binding(at))
            for name, found in bindings:
                oid, value = tuple(name), _plain(found)
                if oid[: len(column)] != column or value is None:
                    return tuple(rows)
                if oid <= at:
                    raise SwitchFailed(f"its table {_text(column)} goes backwards")
                rows.append((oid[len(column) :], value))
                at = oid
            if not bindings:
                return tuple(rows)
            if len(rows) > ROWS:
                raise SwitchFailed(f"its table {_text(column)} does not end within {ROWS} rows")

    async def set(self, oid: Oid, value: Value, *, unsigned: bool = False) -> None:
        """See `Snmp`."""
        hlapi = self._hlapi
        made = hlapi.Integer32 if isinstance(value, int) else hlapi.OctetString
        await self._ask(hlapi.set_cmd, (), self._binding(oid, (hlapi.Unsigned32 if unsigned else made)(value)))

    def _binding(self, oid: Oid, *value: object) -> Any:
        return self._hlapi.ObjectType(self._hlapi.ObjectIdentity(oid), *value)

    async def _ask(self, command: Any, numbers: Iterable[int], binding: Any) -> list[tuple[Any, Any]]:
        """Ask once; the only place where pysnmp's errors become ours."""
        try:
            indication, status, _, bindings = await command(
                self._engine,
                self._credentials,
                self._target,
                self._hlapi.ContextData(),
                *numbers,
                binding,
                lookupMib=False,
            )
        except (OSError, self._hlapi.PySnmpError) as error:
            raise SwitchFailed(f"{self._settings.address} cannot be spoken to") from error
        if indication:
            raise SwitchFailed(_said(str(indication), self._settings))
        if int(status):
            name = status.prettyPrint()
            if command is self._hlapi.set_cmd:
                raise SwitchRefused(f"it refuses to be set: {name}")
            if name != "noSuchName":
                raise SwitchFailed(f"it answers {name}")
        return [(each[0], each[1]) for each in bindings]

    def _authority(self, secret: Secret) -> Any:
        hlapi, settings = self._hlapi, self._settings
        if settings.snmp is SnmpVersion.V2C_IN_THE_CLEAR:
            return hlapi.CommunityData(secret.community, mpModel=1)
        return hlapi.UsmUserData(
            secret.user,
            secret.authentication,
            secret.privacy,
            authProtocol={
                Authentication.SHA256: hlapi.USM_AUTH_HMAC192_SHA256,
                Authentication.SHA384: hlapi.USM_AUTH_HMAC256_SHA384,
                Authentication.SHA512: hlapi.USM_AUTH_HMAC384_SHA512,
            }[settings.authentication],
            privProtocol={
                Privacy.AES128: hlapi.USM_PRIV_CFB128_AES,
                Privacy.AES256: hlapi.USM_PRIV_CFB256_AES,
            }[settings.encryption],
        )


def _pysnmp() -> Any:
    try:
        from bartizan_agent.switches import pysnmp_names
    except ModuleNotFoundError as error:
        raise BadSettings(
            "managed switches are configured, and pysnmp is not installed: install bartizan-agent[snmp]"
        ) from error
    return pysnmp_names


def _plain(value: Any) -> Value | None:
    """Return a value as a number or octets; None for the three that say that there is none."""
    if value.tagSet in _pysnmp().ABSENT:
        return None
    if hasattr(value, "asOctets"):
        return bytes(value.asOctets())
    return int(value) if hasattr(value, "__int__") else str(value).encode()


def _said(indication: str, settings: SwitchSettings) -> str:
    if "timeout" in indication.lower() or "No SNMP response" in indication:
        return f"no answer from {settings.address} within {settings.answer_seconds:g} s, {RETRIES + 1} times"
    return f"{settings.address} does not let this user in: {indication}"


def _text(oid: Oid) -> str:
    return ".".join(map(str, oid))
