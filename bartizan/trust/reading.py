"""From a TUF repository's files to a `Catalogue`: every target of its type, nothing unknown, nothing twice.

The controller calls this before it publishes and every gateway before it believes. python-tuf checks versions,
expiry and the chain of hashes around it; approvals and Bartizan's own rules are checked here.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from bartizan.errors import Malformed, TooNew
from bartizan.firmware.model import Advisory, Image
from bartizan.identity.fingerprints import Fingerprint, check_fingerprint
from bartizan.ids import OrganisationId, image_id, slug
from bartizan.policy.model import Maker, Policy, SiteFacts, Waiver
from bartizan.trust.approval import require_approval
from bartizan.trust.content import Catalogue, DirectorKeys, with_policy_of
from bartizan.trust.push import Push, check_push
from bartizan.trust.role_rules import check_roles
from bartizan.trust.tufdata import (
    DIRECTOR_PATH,
    FIRMWARE,
    POLICY,
    ROLES,
    ROOT,
    TARGET_LIMIT,
    TARGETS,
    load_approved,
    load_root,
    load_targets,
    prepared,
    translated,
    version_and_expiry,
)
from bartizan.wire import codec
from bartizan.wire.capability import PUSHES, STANDBYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tuf.api.metadata import TargetFile

WAIVERS_PATH = "policy/waivers.json"
MAKERS_PATH = "policy/makers.json"
FINGERPRINTS_PATH = "policy/fingerprints.json"
ADVISORIES_PATH = "policy/advisories.json"
SITES_PREFIX = "policy/sites-"
SUFFIX = ".json"
ADVISORIES_CAPABILITY = 2
"""What a program must understand to read the list of advisories."""
PUSH_PATH = "policy/push.json"
_LISTS = frozenset({WAIVERS_PATH, MAKERS_PATH, FINGERPRINTS_PATH, ADVISORIES_PATH, PUSH_PATH})

_FILE_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._+ ()-]{0,127}\Z")

T = TypeVar("T")


def read_catalogue(metadata: Mapping[str, bytes], contents: Mapping[str, bytes], capability: int) -> Catalogue:
    """Return what a repository's present version says.

    Args:
        metadata: The present metadata of every role, by role.
        contents: The small targets by target path, as `small_targets` lists them.
        capability: What this program understands.

    Raises:
        BadSignature: A role is not approved, or a target is not the one that was signed for.
        TooNew: It needs a greater capability.
        Malformed: The roles break Bartizan's rules, or a target is unknown, missing, there twice or not of its type.
    """
    approved = {ROOT: ROOT, TARGETS: ROOT, POLICY: TARGETS, FIRMWARE: TARGETS}
    for role, delegator in approved.items():
        require_approval(role, metadata[role], [metadata[delegator]])
    marks = [prepared(load_approved(role, metadata[role]).signed) for role in approved]
    _check_capability("the catalogue", max(mark.needs_capability for mark in marks), capability)

    targets = load_targets(metadata[TARGETS], TARGETS).signed
    if set(targets.targets) != {DIRECTOR_PATH}:
        raise Malformed(f"the targets role must hold {DIRECTOR_PATH}, nothing else")
    director = _decode(_verified(targets.targets[DIRECTOR_PATH], contents), DirectorKeys, DIRECTOR_PATH)
    with translated():
        check_roles(load_root(metadata[ROOT]).signed, targets, director)

    dates = {role: version_and_expiry(role, metadata[role]) for role in ROLES}
    policy = load_targets(metadata[POLICY], POLICY)
    targets_of_policy = {path: _verified(target, contents) for path, target in policy.signed.targets.items()}
    policy_prepared_at = prepared(policy.signed).at
    return msgspec.structs.replace(
        _read_policy(targets_of_policy, capability),
        versions={role: version for role, (version, _) in dates.items()},
        expires_at=min(expiry for _, expiry in dates.values()),
        prepared_at=max(mark.at for mark in marks),
        director=director,
        images=_images(load_targets(metadata[FIRMWARE], FIRMWARE).signed.targets.values()),
        push=_push(targets_of_policy, policy.signed.version, policy_prepared_at),
        policy_digest=hashlib.sha256(policy.signed_bytes).hexdigest(),
        policy_prepared_at=policy_prepared_at,
    )


def with_policy(present: Catalogue, contents: Mapping[str, bytes], capability: int) -> Catalogue:
    """Return a catalogue with other content of the policy role, to look ahead by: nobody has approved it.

    Raises:
        TooNew: It needs a greater capability.
        Malformed: A target is unknown, too large or not of its type, or names something twice.
    """
    return with_policy_of(present, _read_policy(contents, capability))


def small_targets(metadata: Mapping[str, bytes]) -> dict[str, str]:
    """Return every target that travels with the catalogue: target path to its path in the repository.

    Images do not: they are fetched when one is to be installed.

    Raises:
        Malformed: The metadata of targets or policy is none.
    """
    return {
        path: f"targets/{target.get_prefixed_paths()[0]}"
        for role in (TARGETS, POLICY)
        for path, target in load_targets(metadata[role], role).signed.targets.items()
    }


def check_content(path: str, content: bytes, capability: int) -> None:
    """Check one small target by itself, before people are asked to approve it.

    Raises:
        TooNew: It needs a greater capability.
        Malformed: It is unknown, too large or not of its type.
    """
    if path == DIRECTOR_PATH:
        _decode(content, DirectorKeys, path)
    elif path == PUSH_PATH:
        _decode(content, Push, path)
    else:
        _read_policy({path: content}, capability)


def needed_capability(contents: Mapping[str, bytes]) -> int:
    """Return the greatest capability that any of these targets of the policy role needs; 1 where there are none.

    Raises:
        Malformed: A policy is none.
    """
    policies = [path for path in contents if _is_policy(path)]
    advisories = ADVISORIES_CAPABILITY if ADVISORIES_PATH in contents else 1
    push = PUSHES if PUSH_PATH in contents else 1
    return max(
        advisories,
        push,
        *(_decode(contents[path], _PolicyHeader, path).needs_capability for path in policies),
        *(_needed_for_sites(path, content) for path, content in contents.items() if path.startswith(SITES_PREFIX)),
    )


def _needed_for_sites(path: str, content: bytes) -> int:
    sites = _decode(content, tuple[_SiteHeader, ...], path)
    return STANDBYS if any(site.standby_for for site in sites) else 1


def _read_policy(contents: Mapping[str, bytes], capability: int) -> Catalogue:
    """Return a catalogue with the policy role's parts only."""
    policies: list[Policy] = []
    sites: list[SiteFacts] = []
    for path, content in contents.items():
        if path.startswith(SITES_PREFIX):
            sites += _sites(path, content)
        elif _is_policy(path):
            policies.append(_policy(path, content, capability))
    return Catalogue(
        versions={},
        expires_at=0,
        director=DirectorKeys({}),
        policies=tuple(policies),
        waivers=_list(contents, WAIVERS_PATH, Waiver, lambda waiver: waiver.id),
        makers=_list(contents, MAKERS_PATH, Maker, lambda maker: maker.id),
        fingerprints=_fingerprints(contents),
        advisories=_list(contents, ADVISORIES_PATH, Advisory, lambda advisory: f"{advisory.id} {advisory.maker}"),
        sites=_unique(sites, lambda site: site.id, "site"),
    )


def _push(contents: Mapping[str, bytes], version: int, prepared_at: float) -> Push | None:
    if PUSH_PATH not in contents:
        return None
    push = _decode(contents[PUSH_PATH], Push, PUSH_PATH)
    if push.policy < version:  # the catalogue has moved on to all at once
        return None
    if push.policy > version:
        raise Malformed(f"{PUSH_PATH!r} is about policy {push.policy}, in version {version}")
    check_push(push, prepared_at=prepared_at)
    return push


def _fingerprints(contents: Mapping[str, bytes]) -> tuple[Fingerprint, ...]:
    rows = _list(contents, FINGERPRINTS_PATH, Fingerprint, lambda row: row.name)
    for row in rows:
        check_fingerprint(row)
    return rows


def _is_policy(path: str) -> bool:
    return path not in _LISTS and path != DIRECTOR_PATH and not path.startswith(SITES_PREFIX)


def _policy(path: str, content: bytes, capability: int) -> Policy:
    # A policy for newer programs may have fields that this one would call malformed: its need is read first.
    _check_capability(path, _decode(content, _PolicyHeader, path).needs_capability, capability)
    policy = _decode(content, Policy, path)
    if path != f"policy/{_slug(policy.id, path)}{SUFFIX}":
        raise Malformed(f"{path!r} holds policy {policy.id!r}; its name must be that policy's")
    return policy


def _sites(path: str, content: bytes) -> tuple[SiteFacts, ...]:
    organisation = OrganisationId(_slug(path.removeprefix(SITES_PREFIX).removesuffix(SUFFIX), path))
    sites = _decode(content, tuple[SiteFacts, ...], path)
    if path != f"{SITES_PREFIX}{organisation}{SUFFIX}" or any(site.organisation != organisation for site in sites):
        raise Malformed(f"{path!r} must hold sites of one organisation, the one in its name")
    ids = {site.id for site in sites if site.standby_for is msgspec.UNSET}
    for site in sites:
        _slug(site.id, path)
        if site.standby_for is not msgspec.UNSET and site.standby_for not in ids:
            raise Malformed(
                f"{path!r}: {site.id!r} stands by for {site.standby_for!r}, which is no site of this organisation"
            )
    return sites


def _images(targets: Iterable[TargetFile]) -> tuple[Image, ...]:
    return _unique([_image(target) for target in targets], lambda image: image.id, "image")


def _image(target: TargetFile) -> Image:
    """Return what the approvers said of an image, where it agrees with what TUF says of the file."""
    try:
        image = msgspec.convert(target.custom, Image)
    except msgspec.ValidationError as error:
        raise Malformed(f"{target.path!r} does not describe an image") from error
    if not _FILE_NAME.match(image.file_name):
        raise Malformed(f"{target.path!r} has a file name that is not plain")
    said = (f"firmware/{image.file_name}", image.length, image.id)
    if said != (target.path, target.length, image_id(target.hashes.get("sha256", ""))):
        raise Malformed(f"{target.path!r} describes another file than the one that was signed for")
    return image


def _list(contents: Mapping[str, bytes], path: str, kind: type[T], identity: Callable[[T], str]) -> tuple[T, ...]:
    if path not in contents:
        return ()
    return _unique(_decode(contents[path], tuple[kind, ...], path), identity, kind.__name__.lower())  # type: ignore[valid-type]


def _unique(items: Sequence[T], identity: Callable[[T], str], what: str) -> tuple[T, ...]:
    if len({identity(item) for item in items}) != len(items):
        raise Malformed(f"the catalogue names a {what} twice")
    return tuple(items)


def _verified(target: TargetFile, contents: Mapping[str, bytes]) -> bytes:
    content = contents.get(target.path)
    if content is None:
        raise Malformed(f"{target.path!r} is missing from the catalogue")
    if set(target.hashes) != {"sha256"}:
        raise Malformed(f"{target.path!r} is not signed for by its SHA-256")
    with translated():
        target.verify_length_and_hashes(content)
    return content


def _decode(content: bytes, kind: type[T], path: str) -> T:
    try:
        return codec.decode(content, kind, TARGET_LIMIT)
    except Malformed as error:
        raise Malformed(f"{path!r} is not what its name says") from error


def _slug(text: str, path: str) -> str:
    try:
        return slug(text)
    except ValueError as error:
        raise Malformed(f"{path!r} is no path of the catalogue, or names something by no proper name") from error


def _check_capability(what: str, needed: int, capability: int) -> None:
    if needed > capability:
        raise TooNew(f"{what} needs capability {needed}; this program has {capability}: update it")


class _SiteHeader(msgspec.Struct):
    standby_for: str = ""


class _PolicyHeader(msgspec.Struct):
    needs_capability: int
