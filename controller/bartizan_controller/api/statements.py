"""Asking a gateway for a signed statement of one device, and waiting for it."""

import asyncio
import secrets

import msgspec
from litestar import Router, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from bartizan.errors import Refused
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.fields import moment
from bartizan.trust.statements import open_statement
from bartizan.wire.capability import EVIDENCE
from bartizan.wire.down import StatementWanted
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs
from bartizan_controller.api.attempts import begin_of
from bartizan_controller.errors import BrokerAway, Conflict
from bartizan_controller.store import audit, devices, gateways, organisations

ANSWER_SECONDS = 30.0


class NewStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for."""

    since: str = "7d"
    """How long ago (12h, 7d), a date, or a time with a zone."""
    until: str = ""
    """A date or a time with a zone; empty: until the gateway looked last."""


class MadeStatement(msgspec.Struct, frozen=True):
    """What a gateway signed."""

    site: SiteId
    device: DeviceId
    envelope: str
    """The file that `bartizan statement verify` reads, as text."""


@post(
    "/sites/{site:str}/devices/{device:str}/statements",
    guards=[needs(Role.AUDITOR, Role.SOC, Role.ESTATES)],
    status_code=200,
    summary="Have a gateway state, signed, how a device was held",
)
async def make_statement(
    request: Asking, parts: TheParts, site: FromPath[SiteId], device: FromPath[DeviceId], data: JSONBody[NewStatement]
) -> MadeStatement:
    """The gateway looks at its kernel once more and answers within seconds; it must be connected."""
    now = parts.clock()
    since, until = begin_of(data.since, now), moment(data.until) if data.until else 0.0

    def permitted(connection: Connection) -> None:
        devices.find(connection, site, device, request.user.scope)
        organisations.find_site(connection, site, request.user.scope)
        gateway = gateways.find(connection, site)
        if not gateway.connected:
            raise Conflict(f"the gateway of {site!r} is away: run `bartizan-agent statement` on it")
        if gateway.capability < EVIDENCE:
            raise Conflict(f"the gateway of {site!r} has agent {gateway.agent_version}, which makes none: upgrade it")
        audit.record(
            connection,
            request.user.name,
            "statement.asked",
            f"{site}/{device}",
            now=now,
            detail=msgspec.to_builtins(data),
        )

    await parts.database.write(permitted)
    name = secrets.token_hex(8)
    with parts.link.statements.expected(site, name) as answer:
        parts.link.tell(site, StatementWanted(name, device, since, until))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                made = await answer
        except TimeoutError as error:
            raise BrokerAway(f"the gateway of {site!r} did not answer in {ANSWER_SECONDS:.0f} seconds") from error
    if made.refused:
        raise Conflict(f"the gateway made no statement: {made.refused[:500]}")
    stated = open_statement(made.envelope, parts.authority.ca_pem).statement
    if (stated.site, stated.device) != (site, device):
        raise Refused("the gateway stated something else than it was asked for")
    return MadeStatement(site, device, made.envelope.decode())


router = Router("/", tags=["inventory"], route_handlers=[make_statement])
