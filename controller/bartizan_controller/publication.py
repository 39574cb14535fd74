"""The published catalogue while the controller runs: read once for each version, changed by one at a time."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from bartizan.firmware.model import Image
from bartizan.ids import ImageId, KeyId, SiteId
from bartizan.policy.facts import standbys
from bartizan.trust.approval import Approval
from bartizan.trust.catalogue import RoleKeys
from bartizan.trust.content import Catalogue
from bartizan.trust.review import Description, Review
from bartizan.trust.tufdata import ROOT
from bartizan.wire.down import CatalogueBundle
from bartizan_controller.catalogue.repository import CatalogueRepository, Outlook
from bartizan_controller.catalogue.staging import ChangeId

BUNDLES_KEPT = 64  # gateways hold few different versions at any time

T = TypeVar("T")


class Publication:
    """The catalogue of a running controller. Reading is allowed from any thread."""

    def __init__(self, repository: CatalogueRepository) -> None:
        self._repository = repository
        self._one_at_a_time = asyncio.Lock()
        self._current = _Current(repository)

    @property
    def versions(self) -> dict[str, int]:
        """The published version of each role."""
        return self._current.versions

    @property
    def expiries(self) -> dict[str, float]:
        """When the published version of each role expires, Unix seconds."""
        return self._current.expiries

    @property
    def signers(self) -> dict[str, RoleKeys]:
        """Who may sign for each role, in the published version."""
        return self._current.signers

    @property
    def approvals(self) -> dict[str, Approval]:
        """Who signed the published version of each role that people sign."""
        return self._current.approvals

    @property
    def catalogue(self) -> Catalogue:
        """What the published version says."""
        return self._current.catalogue

    def first_root(self) -> bytes:
        """Return what a new gateway's trust begins with."""
        return self._repository.first_root()

    def images(self) -> Mapping[ImageId, Image]:
        """Return the vetted images by id."""
        return {image.id: image for image in self.catalogue.images}

    def bundle_since(self, held: Mapping[str, int]) -> CatalogueBundle:
        """Return the files that a gateway with these versions lacks."""
        return self._current.bundle_since(held)

    def serves(self, gateway: SiteId) -> SiteId:
        """Return the site whose policy and orders a gateway carries out: its own, or the one it stands by for."""
        return self._current.served.get(gateway, gateway)

    def standbys(self, site: SiteId) -> tuple[SiteId, ...]:
        """Return the gateways that stand by for a site."""
        return tuple(gateway for gateway, served in self._current.served.items() if served == site)

    @property
    def standing_by(self) -> Mapping[SiteId, SiteId]:
        """Every gateway that stands by, and the site that it does so for."""
        return self._current.served

    async def propose(
        self,
        role: str,
        *,
        add: Mapping[str, bytes | Image],
        remove: Collection[str],
        signers: Mapping[str, RoleKeys] | None = None,
        prepared_by: KeyId,
        now: float,
        note: str,
    ) -> ChangeId:
        """Stage the next version of a role; as `CatalogueRepository.propose` and `propose_root`.

        Raises:
            ValueError: A root was to hold targets.
        """
        if role != ROOT:
            return await self._alone(
                lambda: self._repository.propose(
                    role,
                    add=add,
                    remove=remove,
                    delegations=signers or None,
                    prepared_by=prepared_by,
                    now=now,
                    note=note,
                )
            )
        if add or remove:
            raise ValueError("the root holds no targets: it only says who may sign")
        return await self._alone(
            lambda: self._repository.propose_root(signers or {}, prepared_by=prepared_by, now=now, note=note)
        )

    async def pending(self) -> dict[ChangeId, Approval]:
        """Return the waiting changes, and what each waits for."""
        return await self._alone(self._repository.pending)

    async def review(self, change: ChangeId) -> tuple[Review, Description]:
        """Return what an approver's own machine checks and signs, and the same in words.

        Raises:
            NotFound: No such change waits.
            Stale: Another version was published since it was prepared.
        """
        return await self._alone(lambda: (self._repository.review(change), self._repository.describe(change)))

    async def outlook(self, change: ChangeId, *, now: float) -> Outlook:
        """Return what the catalogue would say with a waiting change; as `CatalogueRepository.outlook`."""
        return await self._alone(lambda: self._repository.outlook(change, now))

    async def outlook_with(self, contents: Mapping[str, bytes]) -> Outlook:
        """Return what it would say with other documents; as `CatalogueRepository.outlook_with`."""
        return await self._alone(lambda: self._repository.outlook_with(contents))

    async def sign(self, change: ChangeId, key: KeyId, signature: bytes) -> Approval:
        """Add a signature made elsewhere; as `CatalogueRepository.sign`."""
        return await self._alone(lambda: self._repository.sign(change, key, signature))

    async def withdraw(self, change: ChangeId) -> None:
        """Forget a waiting change."""
        await self._alone(lambda: self._repository.withdraw(change))

    async def publish(self, changes: Sequence[ChangeId], *, now: float) -> dict[str, int]:
        """Publish approved changes together; as `CatalogueRepository.publish`. Then wake the link."""
        versions = await self._alone(lambda: self._repository.publish(*changes, now=now))
        await self._reload()
        return versions

    async def refresh(self, *, now: float) -> bool:
        """Sign snapshot and timestamp again if it is time; return whether. If so, wake the link."""
        refreshed = await self._alone(lambda: self._repository.refresh_online(now))
        if refreshed:
            await self._reload()
        return refreshed

    async def _reload(self) -> None:
        self._current = await self._alone(lambda: _Current(self._repository))

    async def _alone(self, act: Callable[[], T]) -> T:
        async with self._one_at_a_time:
            return await asyncio.to_thread(act)


class _Current:
    """One published version."""

    def __init__(self, repository: CatalogueRepository) -> None:
        self._repository = repository
        self._bundles: dict[tuple[tuple[str, int], ...], CatalogueBundle] = {}
        self.versions = repository.versions()
        self.expiries = repository.expiries()
        self.signers = repository.signers()
        self.approvals = repository.approvals()
        self.catalogue = repository.catalogue()
        self.served = standbys(self.catalogue.sites)

    def bundle_since(self, held: Mapping[str, int]) -> CatalogueBundle:
        key = tuple(sorted((role, held.get(role, 0)) for role in self.versions))
        if key not in self._bundles:
            if len(self._bundles) >= BUNDLES_KEPT:
                self._bundles.clear()
            self._bundles[key] = CatalogueBundle(self._repository.bundle(held))
        return self._bundles[key]
