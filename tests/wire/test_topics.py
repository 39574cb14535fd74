"""Topics: who may say what where."""

import pytest

from bartizan.ids import SiteId
from bartizan.wire import topics


def test_a_site_keeps_its_shard() -> None:
    """The shard is a function of the name alone, so that any controller computes the same."""
    assert topics.up(SiteId("north-school"), "hello") == "bz/1/up/15/north-school/hello"
    assert topics.parse_up("bz/1/up/15/north-school/hello") == ("north-school", "hello")


@pytest.mark.parametrize(
    "topic",
    [
        "bz/1/up/16/north-school/hello",
        "bz/1/up/15/north-school/orders",
        "bz/1/up/15/north-school",
        "bz/1/up/15/North School/hello",
        "bz/2/up/15/north-school/hello",
        "bz/1/site/north-school/down",
        "bz/1/up/15/north-school/hello/more",
    ],
)
def test_a_topic_that_no_gateway_writes_is_refused(topic: str) -> None:
    """A wrong shard, kind, depth, version or name."""
    with pytest.raises(ValueError, match=r"."):
        topics.parse_up(topic)


def test_every_shard_has_sites() -> None:
    """Ten thousand sites spread over all shards, none with more than twice its share."""
    count = [0] * topics.SHARDS
    for number in range(10_000):
        count[topics.shard(SiteId(f"site-{number}"))] += 1

    assert min(count) > 0
    assert max(count) < 2 * 10_000 / topics.SHARDS
