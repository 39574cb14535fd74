"""What a change of the catalogue would do to the devices that there are, before anybody signs it."""

from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from bartizan.policy.preview import Preview
from bartizan_controller.access import Person, Role
from bartizan_controller.api.access import Asking, TheParts, needs
from bartizan_controller.catalogue.repository import Outlook
from bartizan_controller.catalogue.staging import ChangeId
from bartizan_controller.parts import Parts

LISTED = 100
LISTED_AT_MOST = 10_000

Listed = Annotated[
    int, QueryParameter(ge=0, le=LISTED_AT_MOST, description="List so many of the devices that change; all count.")
]


class Documents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Documents that nobody has proposed yet."""

    files: dict[str, bytes]
    """New or replaced small targets of the policy role (base64), by target path."""


@get("/catalogue/changes/{change:str}/preview", summary="Preview a change")
async def preview_change(
    request: Asking, parts: TheParts, change: FromPath[ChangeId], limit: Listed = LISTED
) -> Preview:
    """Which devices of those you may see would change, which way and why, and which sites cannot enforce it."""
    return await _preview(parts, request.user, await parts.publication.outlook(change, now=parts.clock()), limit)


@post("/catalogue/preview", guards=[needs(Role.APPROVER)], status_code=200, summary="Preview documents")
async def preview_documents(
    request: Asking, parts: TheParts, data: JSONBody[Documents], limit: Listed = LISTED
) -> Preview:
    """As for a change. Nothing is proposed, and nothing of it is kept."""
    return await _preview(parts, request.user, await parts.publication.outlook_with(data.files), limit)


async def _preview(parts: Parts, person: Person, outlook: Outlook, limit: int) -> Preview:
    present, at = parts.publication.catalogue, parts.clock()
    return await parts.database.read(
        lambda c: parts.previews.of_estate(c, present, outlook, person.scope, at=at, limit=limit)
    )


router = Router("/", tags=["catalogue"], route_handlers=[preview_change, preview_documents])
