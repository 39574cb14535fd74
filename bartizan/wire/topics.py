"""MQTT topics, and which shard of the fleet a site belongs to.

bz/1/all/catalogue        controller -> every gateway
bz/1/all/orders           controller -> every gateway
bz/1/site/<id>/down       controller -> one gateway
bz/1/up/<shard>/<id>/<k>  gateway -> controller, k one of `UP_KINDS`
"""

import hashlib

from bartizan.ids import SiteId, slug

ROOT = "bz/1"
ALL_CATALOGUE = f"{ROOT}/all/catalogue"
ALL_ORDERS = f"{ROOT}/all/orders"
SHARDS = 64
UP_KINDS = ("hello", "report", "events", "renew", "statement", "will")


def down(site: SiteId) -> str:
    """Return the topic on which one gateway is spoken to."""
    return f"{ROOT}/site/{site}/down"


def up(site: SiteId, kind: str) -> str:
    """Return the topic on which a gateway speaks.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in UP_KINDS:
        raise ValueError(f"{kind!r} is no kind of upward message: {', '.join(UP_KINDS)}")
    return f"{ROOT}/up/{shard(site)}/{site}/{kind}"


def up_filter(shard_number: int | None = None) -> str:
    """Return the subscription for one shard, or for the whole fleet."""
    return f"{ROOT}/up/{'+' if shard_number is None else shard_number}/+/+"


def parse_up(topic: str) -> tuple[SiteId, str]:
    """Return the site and the kind of an upward topic.

    Raises:
        ValueError: It is no upward topic, or the shard is not the site's.
    """
    levels = topic.split("/")
    if len(levels) != 6 or "/".join(levels[:2]) != ROOT or levels[2] != "up" or levels[5] not in UP_KINDS:
        raise ValueError(f"{topic!r} is no topic that a gateway writes")
    site = SiteId(slug(levels[4]))
    if levels[3] != str(shard(site)):
        raise ValueError(f"{topic!r} has the wrong shard for its site")
    return site, levels[5]


def shard(site: SiteId) -> int:
    """Return the shard of a site: the first byte of its name's SHA-256, modulo 64."""
    return hashlib.sha256(site.encode()).digest()[0] % SHARDS
