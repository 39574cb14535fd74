"""Bundles that something happened to on their way."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.errors import Refused, Unavailable
from bartizan_agent.catalogue import CatalogueClient
from tests.trust.estate import NOW, Estate
from tests.trust.holding import LOOSE, policies, reopened


class TestMutations:
    """Whatever happens to a bundle on its way, a gateway ends with what was published, or with what it held."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_mutation_is_accepted_as_something_else(self, estate_with_news: Any, data: st.DataObject) -> None:
        files, held, news = estate_with_news
        gateway = reopened(held)
        gateway.load()
        mutated = mutate(files, data)

        with suppress(Refused, Unavailable):
            gateway.update(mutated, NOW)
        assert policies(gateway) in (policies(held), news)

    @pytest.fixture
    def estate_with_news(self, estate: Estate, gateway: CatalogueClient) -> Any:
        estate.publish_policy(LOOSE)
        files = estate.repository.bundle(gateway.versions())
        return files, gateway, (LOOSE,)


def mutate(files: dict[str, bytes], data: st.DataObject) -> dict[str, bytes]:
    """Change, cut, drop, swap or double something."""
    names = sorted(files)
    name = data.draw(st.sampled_from(names))
    content = files[name]
    place = data.draw(st.integers(0, len(content) - 1))
    mutation = data.draw(st.sampled_from(["octet", "cut", "drop", "swap", "insert", "digit"]))
    match mutation:
        case "octet":
            return files | {name: content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :]}
        case "cut":
            return files | {name: content[:place]}
        case "drop":
            return {each: files[each] for each in names if each != name}
        case "swap":
            return files | {name: files[data.draw(st.sampled_from(names))]}
        case "insert":
            return files | {name: content[:place] + data.draw(st.binary(max_size=8)) + content[place:]}
        case _:
            return files | {name: content.replace(b"1", data.draw(st.sampled_from([b"2", b"-1", b"1.5", b"[]"])), 1)}
