"""Which devices a request asks for: one set of parameters for every route that lists, counts or exports devices."""

from collections.abc import Collection
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter
from litestar.types import Guard
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.identity.model import Kind
from bartizan.ids import OrganisationId, SiteId
from bartizan.policy.fields import suggestion
from bartizan_controller.access import Person
from bartizan_controller.search import DeviceQuery
from bartizan_controller.store import views

AskedFor: TypeAlias = NamedDependency[DeviceQuery]
"""What the parameters of a request ask for."""


def device_query(  # noqa: PLR0913 - one for each parameter
    *,
    where: Annotated[
        list[str] | None,
        QueryParameter(
            description="A selector as in a policy's `when`, in YAML: `maker: hikvision`. Several all hold."
        ),
    ] = None,
    site: FromQuery[list[SiteId] | None] = None,
    organisation: Annotated[
        OrganisationId | None, QueryParameter(description="It and those below it, in the controller's tree.")
    ] = None,
    maker: Annotated[
        list[str] | None,
        QueryParameter(
            description="As in makers.yaml. Here and in other texts: any of several; `*` and `?` make a "
            "pattern; `unknown` is what is not known."
        ),
    ] = None,
    brand: FromQuery[list[str] | None] = None,
    kind: FromQuery[list[Kind] | None] = None,
    model: FromQuery[list[str] | None] = None,
    firmware: FromQuery[list[str] | None] = None,
    firmware_before: Annotated[
        str | None, QueryParameter(description="Older than a version, or built before a date (2024-01-31).")
    ] = None,
    jurisdiction: Annotated[
        list[str] | None, QueryParameter(description="Where the maker is incorporated, ISO 3166-1 alpha-2.")
    ] = None,
    vulnerable_to: Annotated[list[str] | None, QueryParameter(description="Open to this advisory.")] = None,
    first_seen_after: Annotated[str | None, QueryParameter(description="A date, 2024-01-31.")] = None,
    first_seen_before: Annotated[str | None, QueryParameter(description="A date, 2024-01-31.")] = None,
    vulnerable: Annotated[bool | None, QueryParameter(description="Open to any advisory, or to none.")] = None,
    level: Annotated[Level | None, QueryParameter(description="To be held so.")] = None,
    enforced: Annotated[Level | None, QueryParameter(description="Held so, as measured.")] = None,
    agrees: Annotated[bool | None, QueryParameter(description="Held as it is to be held, or not.")] = None,
    lost: Annotated[bool | None, QueryParameter(description="Not seen for so long that it counts as gone.")] = None,
    name: Annotated[str, QueryParameter(description="Its id, serial number, MAC or address.")] = "",
    text: Annotated[
        str, QueryParameter(description="Words that all stand in its id, identity, MACs or addresses.", max_length=200)
    ] = "",
    sort: Annotated[
        str, QueryParameter(description="site, maker, model, firmware or first-seen; with `-` the other way round.")
    ] = "site",
) -> DeviceQuery:
    """Return what the parameters ask for."""
    return DeviceQuery(
        where=tuple(where or ()),
        site=tuple(site or ()),
        organisation=organisation,
        maker=tuple(maker or ()),
        brand=tuple(brand or ()),
        kind=tuple(kind or ()),
        model=tuple(model or ()),
        firmware=tuple(firmware or ()),
        firmware_before=firmware_before,
        jurisdiction=tuple(jurisdiction or ()),
        vulnerable_to=tuple(vulnerable_to or ()),
        first_seen_after=first_seen_after,
        first_seen_before=first_seen_before,
        vulnerable=vulnerable,
        level=level,
        enforced=enforced,
        agrees=agrees,
        lost=lost,
        name=name,
        text=text,
        sort=sort,
    )


ASKED = {"asked": Provide(device_query, sync_to_thread=False)}
FIELDS = DeviceQuery.__struct_fields__


def only(*known: str) -> Guard:
    """Return a guard that refuses query parameters that are not known: a misspelt filter must not show everything."""

    def guard(connection: ASGIConnection[Any, Person, Any, Any], _handler: BaseRouteHandler) -> None:
        refuse_unknown(connection.query_params.keys(), known)

    return guard


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Check that every parameter is known.

    Raises:
        ValueError: One is not; the text names those that are.
    """
    for name in given:
        if name not in known:
            raise ValueError(f"there is no parameter {name!r}{suggestion(name, known)} (known: {', '.join(known)})")


def narrowed(connection: Connection, person: Person, view: str, query: DeviceQuery) -> DeviceQuery:
    """Return a query within a saved view; `query` itself if none is named.

    Raises:
        NotFound: There is no such view for this person.
        ValueError: Both ask for the same field.
    """
    if not view:
        return query
    saved = views.find(connection, person, view).query
    merged = msgspec.structs.asdict(saved)
    for field, value in msgspec.structs.asdict(query).items():
        if value == _NOTHING[field]:
            continue
        if field == "where":
            merged[field] = (*saved.where, *query.where)
        elif field != "sort" and merged[field] != _NOTHING[field]:
            raise ValueError(f"view {view!r} already says which {field} it has: leave that out")
        else:
            merged[field] = value
    return DeviceQuery(**merged)


_NOTHING = msgspec.structs.asdict(DeviceQuery())
