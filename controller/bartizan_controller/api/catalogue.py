"""The catalogue: propose, review, sign and publish; firmware images; sealed camera credentials."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from litestar import Router, delete, get, post, put
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from bartizan.firmware.model import Image
from bartizan.ids import KeyId, PolicyId, SiteId
from bartizan.policy.model import Policy, Waiver
from bartizan.trust.approval import Approval
from bartizan.trust.catalogue import RoleKeys, image_path
from bartizan.trust.content import Catalogue
from bartizan.trust.push import Push
from bartizan.trust.reading import PUSH_PATH
from bartizan.trust.review import Description, Review
from bartizan.wire import codec
from bartizan.wire.capability import PUSHES
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.catalogue.staging import ChangeId
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.parts import Parts
from bartizan_controller.pushes import execute
from bartizan_controller.store import audit, credentials, gateways, organisations
from bartizan_controller.store.credentials import StoredCredentials

SEALED_OCTETS = 2 * 1024 * 1024


class PublishedCatalogue(msgspec.Struct, frozen=True):
    """What is published."""

    versions: dict[str, int]
    expires_at: dict[str, float]
    """Unix seconds, by role."""
    content: Catalogue


class PublishedPolicy(msgspec.Struct, frozen=True):
    """A policy that gateways hold, and the exceptions to it."""

    policy: Policy
    waivers: tuple[Waiver, ...]
    """Those that name it, whether they have begun, run, or are over."""


class NewChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next version of a role. With nothing to add or remove, the present content lives longer."""

    role: Literal["root", "targets", "policy", "firmware"]
    prepared_by: KeyId
    """The key of who prepares it; that person alone cannot approve it."""
    note: str = ""
    files: dict[str, bytes] = {}
    """New or replaced small targets (base64), by target path."""
    images: tuple[Image, ...] = ()
    """New or replaced images; their bytes are uploaded before."""
    remove: tuple[str, ...] = ()
    """Target paths to take out."""
    signers: dict[str, RoleKeys] = {}
    """Who may sign from now on, all of them: for `targets` policy and firmware, for `root` any of its own roles."""


class WaitingChange(msgspec.Struct, frozen=True):
    """A change, and what it waits for."""

    id: ChangeId
    approval: Approval


class ChangeDetail(msgspec.Struct, frozen=True):
    """A change as an approver's own machine checks it, and in words."""

    id: ChangeId
    review: Review
    description: Description


class NewSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature made on an approver's own machine."""

    key: KeyId
    signature: bytes
    """64 octets (base64) over the canonical form of the proposed version."""


class Publish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes that only make sense together, such as new keys and what they signed."""

    together_with: tuple[ChangeId, ...] = ()


class StoredImage(msgspec.Struct, frozen=True):
    """An uploaded image."""

    sha256: str
    length: int
    """Octets."""


class NewCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Camera credentials that only one gateway can open. They were sealed on the operator's machine."""

    generation: int
    """Greater than any before; it is part of what was sealed."""
    sealed: bytes
    sealed_to: str
    """The gateway's sealing key, base64, to which they are sealed."""


@get("/catalogue", summary="Show the published catalogue")
async def show_catalogue(parts: TheParts) -> PublishedCatalogue:
    """Versions, expiry and content."""
    publication = parts.publication
    return PublishedCatalogue(publication.versions, publication.expiries, publication.catalogue)


@get("/catalogue/signers", summary="Show who may sign")
async def show_signers(parts: TheParts) -> dict[str, RoleKeys]:
    """Public keys, their holders, and how many of them must sign, by role."""
    return parts.publication.signers


@get("/catalogue/files", summary="Get the catalogue's files")
async def get_files(parts: TheParts) -> dict[str, bytes]:
    """All metadata and small targets (base64) by repository path: what a mirror or an approver's machine verifies."""
    return parts.publication.bundle_since({}).files


@get("/policies", summary="List the published policies")
async def list_policies(parts: TheParts) -> tuple[PublishedPolicy, ...]:
    """In the order of their ids."""
    content = parts.publication.catalogue
    return tuple(_published(each, content) for each in sorted(content.policies, key=lambda policy: policy.id))


@get("/policies/{policy:str}", summary="Show a published policy")
async def show_policy(parts: TheParts, policy: FromPath[PolicyId]) -> PublishedPolicy:
    """Its rules and the waivers that name it."""
    content = parts.publication.catalogue
    for each in content.policies:
        if each.id == policy:
            return _published(each, content)
    published = ", ".join(sorted(each.id for each in content.policies)) or "none"
    raise NotFound(f"no policy {policy!r} is published; published: {published}")


@get("/catalogue/changes", summary="List changes")
async def list_changes(parts: TheParts) -> tuple[WaitingChange, ...]:
    """Those that wait for signatures or for publication."""
    return tuple(WaitingChange(*each) for each in (await parts.publication.pending()).items())


@post("/catalogue/changes", guards=[needs(Role.APPROVER)], summary="Propose a change")
async def propose_change(request: Asking, parts: TheParts, data: JSONBody[NewChange]) -> WaitingChange:
    """Nothing changes for gateways until it is signed by two people and published."""
    require_whole_estate(request.user)
    for image in data.images:
        if not parts.images.holds(image.id.removeprefix("sha256:")):
            raise Conflict(f"image {image.file_name!r} is not here: upload it first")
    if PUSH_PATH in data.files:
        canary = codec.decode(data.files[PUSH_PATH], Push).canary
        await parts.database.read(lambda c: _check_canaries(c, canary))
    change = await parts.publication.propose(
        data.role,
        add={**data.files, **{image_path(image): image for image in data.images}},
        remove=data.remove,
        signers=data.signers,
        prepared_by=data.prepared_by,
        now=parts.clock(),
        note=data.note,
    )
    await _audit(parts, request, "catalogue.propose", change, {"prepared_by": data.prepared_by, "note": data.note})
    return WaitingChange(change, (await parts.publication.pending())[change])


@get("/catalogue/changes/{change:str}", summary="Show a change")
async def show_change(parts: TheParts, change: FromPath[ChangeId]) -> ChangeDetail:
    """The bytes to be signed, what they replace, and the difference in words."""
    review, description = await parts.publication.review(change)
    return ChangeDetail(change, review, description)


@post("/catalogue/changes/{change:str}/signatures", guards=[needs(Role.APPROVER)], summary="Add a signature")
async def sign_change(
    request: Asking, parts: TheParts, change: FromPath[ChangeId], data: JSONBody[NewSignature]
) -> Approval:
    """Made elsewhere, with a key that never comes here."""
    approval = await parts.publication.sign(change, data.key, data.signature)
    await _audit(parts, request, "catalogue.sign", change, {"key": data.key})
    return approval


@post("/catalogue/changes/{change:str}/publish", guards=[needs(Role.APPROVER)], summary="Publish a change")
async def publish_change(
    request: Asking, parts: TheParts, change: FromPath[ChangeId], data: JSONBody[Publish]
) -> dict[str, int]:
    """Once it is approved. Gateways hear of it at once."""
    changes = (change, *data.together_with)
    versions = await parts.publication.publish(changes, now=parts.clock())
    catalogue, now = parts.publication.catalogue, parts.clock()
    # Before anybody hears of it, so that whoever published it can pause it at once.
    await parts.database.write(lambda c: execute.begin(c, catalogue, now=now))
    parts.link.wake()
    parts.news.ring()
    detail = {role: str(version) for role, version in versions.items()}
    await _audit(parts, request, "catalogue.publish", " ".join(changes), detail)
    return versions


@delete("/catalogue/changes/{change:str}", guards=[needs(Role.APPROVER)], summary="Withdraw a change")
async def withdraw_change(request: Asking, parts: TheParts, change: FromPath[ChangeId]) -> None:
    """It is forgotten; what is published stays."""
    require_whole_estate(request.user)
    await parts.publication.withdraw(change)
    await _audit(parts, request, "catalogue.withdraw", change, {})


@put(
    "/images/{sha256:str}",
    guards=[needs(Role.APPROVER, Role.ESTATES)],
    request_max_body_size=None,
    status_code=201,
    summary="Upload an image",
)
async def put_image(request: Asking, parts: TheParts, sha256: FromPath[str]) -> StoredImage:
    """The body is the image. No camera gets it before the catalogue names it."""
    limit = parts.config.image_octets
    length = await parts.images.keep(sha256, request.stream(), limit_octets=limit)
    await _audit(parts, request, "image.upload", sha256, {"length": str(length)})
    return StoredImage(sha256, length)


@get("/images/{sha256:str}", summary="Show an image")
async def show_image(parts: TheParts, sha256: FromPath[str]) -> StoredImage:
    """Whether it is here, and how long it is."""
    return StoredImage(sha256, parts.images.path(sha256).stat().st_size)


@put("/sites/{site:str}/credentials", guards=[needs(Role.ESTATES)], status_code=204, summary="Forward credentials")
async def put_credentials(
    request: Asking, parts: TheParts, site: FromPath[SiteId], data: JSONBody[NewCredentials]
) -> None:
    """The controller keeps and forwards them, and cannot open them."""
    if not 0 < data.generation < 2**53 or not 0 < len(data.sealed) <= SEALED_OCTETS:
        raise ValueError(f"a generation from 1, and 1 to {SEALED_OCTETS} sealed octets are accepted")
    now = parts.clock()

    def change(connection: Connection) -> None:
        organisations.find_site(connection, site, request.user.scope)
        if gateways.find(connection, site).sealing_key != data.sealed_to:
            raise Conflict("the gateway has another sealing key now: get it, and seal again")
        book = StoredCredentials(site, data.generation, data.sealed, data.sealed_to, request.user.name, now)
        credentials.save(connection, book)
        detail = {"generation": str(data.generation)}
        audit.record(connection, request.user.name, "credentials.put", site, now=now, detail=detail)

    await parts.database.write(change)
    parts.link.wake()


def _check_canaries(connection: Connection, canary: Sequence[SiteId]) -> None:
    known = gateways.load(connection, canary)
    for site in canary:
        if site not in known:
            raise NotFound(f"no gateway of the canary {site!r} is enrolled: name sites that have one")
        if 0 < known[site].capability < PUSHES:
            raise Conflict(f"the agent of the canary {site!r} is too old for pushes in stages: upgrade it first")


def _published(policy: Policy, content: Catalogue) -> PublishedPolicy:
    return PublishedPolicy(policy, tuple(waiver for waiver in content.waivers if policy.id in waiver.policies))


async def _audit(parts: Parts, request: Asking, action: str, subject: str, detail: dict[str, str]) -> None:
    now = parts.clock()
    await parts.database.write(lambda c: audit.record(c, request.user.name, action, subject, now=now, detail=detail))


router = Router(
    "/",
    tags=["catalogue"],
    route_handlers=[
        show_catalogue,
        show_signers,
        get_files,
        list_policies,
        show_policy,
        list_changes,
        propose_change,
        show_change,
        sign_change,
        publish_change,
        withdraw_change,
        put_image,
        show_image,
        put_credentials,
    ],
)
