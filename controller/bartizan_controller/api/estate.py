"""Organisations, sites, tokens, and enrolment."""

from typing import Annotated

import msgspec
from litestar import Router, delete, get, post
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy import Connection

from bartizan.ids import OrganisationId, SiteId
from bartizan.wire.enrolment import Enrolment, EnrolmentRequest
from bartizan.wire.up import SelfTest
from bartizan_controller import enrolment, estate
from bartizan_controller.access import ApiToken, Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.errors import NotAllowed
from bartizan_controller.store import audit, counters, gateways, organisations, tokens
from bartizan_controller.store.gateways import Gateway, Troubles
from bartizan_controller.store.organisations import Organisation, Site

PAGE = 100
UNTOLD = Troubles()
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


class NewOrganisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation to be made."""

    id: str
    name: str = ""
    parent: OrganisationId | None = None


class NewSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site to be made."""

    id: str
    organisation: OrganisationId
    name: str = ""


class SiteSummary(Site, frozen=True, kw_only=True):
    """A site, and how its gateway and its devices are."""

    gateway: Gateway | None
    """Null: none was enrolled."""
    age_seconds: float | None
    """Since its gateway's last report was taken; null: there is none."""
    counts: dict[str, dict[str, int]]
    """Devices by dimension (`wanted`, `enforced`, `agrees`, …) and value."""
    self_test: SelfTest | None
    """What came of its gateway's last attempt to get out of its own segments; null: it never told of one."""
    segments_gone: tuple[str, ...]
    """Of each camera segment whose interface is not there under its name: what became of it, in words."""


class SitePage(msgspec.Struct, frozen=True):
    """Some sites."""

    items: tuple[SiteSummary, ...]
    next: str | None
    """Give it as `after` for the next page; null: there are no more."""


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API token to be made."""

    name: str
    roles: tuple[Role, ...]
    organisation: OrganisationId | None = None
    days: float | None = None


class IssuedToken(msgspec.Struct, frozen=True):
    """A new API token, shown once."""

    token: str
    about: ApiToken


class NewEnrolmentToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time token to be made."""

    days: Annotated[float, msgspec.Meta(gt=0, le=365)] | None = None
    """How long it is valid; null: as configured."""


class EnrolmentTokenShown(msgspec.Struct, frozen=True):
    """A one-time token, shown once."""

    token: str
    site: SiteId
    expires_at: float


@get("/organisations", summary="List organisations")
async def list_organisations(request: Asking, parts: TheParts) -> tuple[Organisation, ...]:
    """Those that you may see."""
    return await parts.database.read(lambda c: organisations.all_organisations(c, request.user.scope))


@post("/organisations", guards=[needs(Role.ADMIN)], summary="Make an organisation")
async def make_organisation(request: Asking, parts: TheParts, data: JSONBody[NewOrganisation]) -> Organisation:
    """A public body, or a part of one."""
    require_whole_estate(request.user)
    return await parts.database.write(
        lambda c: estate.add_organisation(c, data.id, data.name, data.parent, by=request.user.name, now=parts.clock())
    )


@get("/sites", summary="List sites")
async def list_sites(
    request: Asking,
    parts: TheParts,
    organisation: FromQuery[OrganisationId | None] = None,
    after: FromQuery[str] = "",
    limit: Limit = PAGE,
) -> SitePage:
    """Those that you may see, by id; of an organisation and those below it, if one is named."""
    now = parts.clock()

    def query(connection: Connection) -> tuple[SiteSummary, ...]:
        within = organisations.narrowed(connection, organisation, request.user.scope)
        return _summaries(connection, organisations.page_of_sites(connection, within, after=after, limit=limit), now)

    sites = await parts.database.read(query)
    return SitePage(sites, sites[-1].id if len(sites) == limit else None)


@post("/sites", guards=[needs(Role.ESTATES)], summary="Make a site")
async def make_site(request: Asking, parts: TheParts, data: JSONBody[NewSite]) -> Site:
    """A place with a gateway. Until the catalogue describes it, it counts as sensitive."""
    scope = request.user.scope
    if scope is not None and data.organisation not in scope:
        raise NotAllowed("your token is for another organisation")
    return await parts.database.write(
        lambda c: estate.add_site(c, data.id, data.name, data.organisation, by=request.user.name, now=parts.clock())
    )


@get("/sites/{site:str}", summary="Show a site")
async def show_site(request: Asking, parts: TheParts, site: FromPath[SiteId]) -> Site:
    """Its name and organisation. What policy goes by is in the catalogue."""
    return await parts.database.read(lambda c: organisations.find_site(c, site, request.user.scope))


@get("/sites/{site:str}/gateway", summary="Show the gateway of a site")
async def show_gateway(request: Asking, parts: TheParts, site: FromPath[SiteId]) -> Gateway:
    """Its connection, its version, and the key to which camera credentials are sealed."""

    def query(connection: Connection) -> Gateway:
        organisations.find_site(connection, site, request.user.scope)
        return gateways.find(connection, site)

    return await parts.database.read(query)


@post("/sites/{site:str}/enrolment-token", guards=[needs(Role.ESTATES)], summary="Make an enrolment token")
async def make_enrolment_token(
    request: Asking, parts: TheParts, site: FromPath[SiteId], data: JSONBody[NewEnrolmentToken | None] = None
) -> EnrolmentTokenShown:
    """For one gateway, once. It is shown only here."""
    days = data.days if data is not None and data.days is not None else parts.config.enrolment_token_days
    lifetime, now = days * 86400, parts.clock()

    def change(connection: Connection) -> str:
        organisations.find_site(connection, site, request.user.scope)
        return enrolment.make_token(
            connection, parts.authority, site, by=request.user.name, now=now, lifetime_seconds=lifetime
        )

    return EnrolmentTokenShown(await parts.database.write(change), site, now + lifetime)


@post("/sites/{site:str}/revoke", guards=[needs(Role.ESTATES)], status_code=204, summary="Shut a gateway out")
async def revoke_gateway(request: Asking, parts: TheParts, site: FromPath[SiteId]) -> None:
    """Revoke its certificates. Its cameras stay as they are held; a new enrolment lets a gateway in again."""
    now = parts.clock()

    def change(connection: Connection) -> None:
        organisations.find_site(connection, site, request.user.scope)
        count = enrolment.shut_out(connection, parts.authority, site, now=now)
        detail = {"certificates": str(count)}
        audit.record(connection, request.user.name, "gateway.revoke", site, now=now, detail=detail)

    await parts.database.write(change)
    parts.on_revocation()


@post("/enrol", summary="Enrol a gateway", security=[{}], middleware=[RateLimitConfig(("minute", 300)).middleware])
async def enrol(parts: TheParts, data: JSONBody[EnrolmentRequest]) -> Enrolment:
    """Exchange a one-time token and a certificate request for a certificate."""
    now = parts.clock()
    admitted = await parts.database.write(lambda c: enrolment.admit(c, parts.authority, data, now=now))
    if admitted is None:
        raise NotAllowed("this enrolment token does not open: ask for a new one")
    parts.on_revocation()
    return Enrolment(
        site=admitted.site,
        certificate=admitted.certificate,
        ca=parts.authority.ca_pem.decode(),
        mqtt_host=parts.addresses.mqtt_host,
        mqtt_port=parts.addresses.mqtt_port,
        gateway_url=parts.addresses.gateway_url,
        root=parts.publication.first_root(),
    )


@get("/tokens", guards=[needs(Role.ADMIN)], summary="List API tokens")
async def list_tokens(request: Asking, parts: TheParts) -> tuple[ApiToken, ...]:
    """What is kept of them, revoked ones too."""
    require_whole_estate(request.user)
    return await parts.database.read(tokens.all_api_tokens)


@post("/tokens", guards=[needs(Role.ADMIN)], summary="Issue an API token")
async def issue_token(request: Asking, parts: TheParts, data: JSONBody[NewToken]) -> IssuedToken:
    """It is shown only here."""
    require_whole_estate(request.user)
    about, token = await parts.database.write(
        lambda c: estate.issue_token(
            c,
            data.name,
            data.roles,
            organisation=data.organisation,
            by=request.user.name,
            now=parts.clock(),
            lifetime_seconds=data.days * 86400 if data.days is not None else None,
        )
    )
    return IssuedToken(token, about)


@delete("/tokens/{token:str}", guards=[needs(Role.ADMIN)], summary="Revoke an API token")
async def revoke_token(request: Asking, parts: TheParts, token: FromPath[str]) -> None:
    """From now on."""
    require_whole_estate(request.user)
    await parts.database.write(lambda c: estate.revoke_token(c, token, by=request.user.name, now=parts.clock()))


def _summaries(connection: Connection, sites: tuple[Site, ...], now: float) -> tuple[SiteSummary, ...]:
    named = [site.id for site in sites]
    known, counts = gateways.load(connection, named), counters.counted_at(connection, named)
    troubles = gateways.troubles(connection, named)
    return tuple(
        SiteSummary(
            **msgspec.structs.asdict(site),
            gateway=known.get(site.id),
            age_seconds=gateways.report_age(known.get(site.id), now),
            counts=counts.get(site.id, {}),
            self_test=troubles.get(site.id, UNTOLD).self_test,
            segments_gone=troubles.get(site.id, UNTOLD).segments_gone,
        )
        for site in sites
    )


router = Router(
    "/",
    tags=["estate"],
    route_handlers=[
        list_organisations,
        make_organisation,
        list_sites,
        make_site,
        show_site,
        show_gateway,
        make_enrolment_token,
        revoke_gateway,
        enrol,
        list_tokens,
        issue_token,
        revoke_token,
    ],
)
