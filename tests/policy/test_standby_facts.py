"""What a standby gateway goes by: the facts of the site it stands by for, and nothing that could loosen them."""

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.errors import Malformed
from bartizan.ids import Address, OrganisationId, SiteId
from bartizan.policy.errors import PolicyError
from bartizan.policy.facts import served_by, site_facts, standbys_of, unlisted_site
from bartizan.policy.model import SegmentFacts, Sensitivity, SiteFacts
from bartizan.policy.site_source import read_sites
from bartizan.trust.reading import check_content, needed_capability
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY, STANDBYS

COUNCIL = OrganisationId("council")
HALL, SECOND, OTHER = SiteId("hall"), SiteId("hall-b"), SiteId("other")
FACTS = SiteFacts(
    HALL,
    COUNCIL,
    Sensitivity.ORDINARY,
    recorders=(Address("10.1.0.5"),),
    segments=(SegmentFacts("cam0", default_level=Level.WATCH),),
    default_password_check=True,
)
STANDBY = SiteFacts(SECOND, COUNCIL, standby_for=HALL)
PATH = "policy/sites-council.json"


def test_a_standby_has_the_facts_of_its_site_and_tries_no_passwords() -> None:
    assert site_facts((STANDBY, FACTS), SECOND) == msgspec.structs.replace(FACTS, default_password_check=False)
    assert (served_by((STANDBY, FACTS), SECOND), standbys_of((STANDBY, FACTS), HALL)) == (HALL, (SECOND,))
    assert site_facts((STANDBY, FACTS), HALL) == FACTS


def test_its_segments_may_have_names_of_their_own() -> None:
    own = (SegmentFacts("eth1", default_level=Level.ISOLATE),)

    assert site_facts((msgspec.structs.replace(STANDBY, segments=own), FACTS), SECOND).segments == own


@pytest.mark.parametrize(
    "sites",
    [(STANDBY,), (STANDBY, SiteFacts(HALL, COUNCIL, standby_for=OTHER), SiteFacts(OTHER, COUNCIL))],
    ids=["for nobody", "for a standby"],
)
def test_what_stands_by_for_no_site_is_held_by_its_own_facts(sites: tuple[SiteFacts, ...]) -> None:
    facts = site_facts(sites, SECOND)

    assert (served_by(sites, SECOND), standbys_of(sites, HALL)) == (SECOND, ())
    assert (facts.sensitivity, facts.recorders) == (Sensitivity.SENSITIVE, ())


def test_an_unlisted_gateway_is_nobodys_standby() -> None:
    assert site_facts((FACTS,), SECOND) == unlisted_site(SECOND)


def test_only_documents_that_name_a_standby_need_programs_that_know_them() -> None:
    with_standby, without = codec.encode((FACTS, STANDBY)), codec.encode((FACTS,))

    assert needed_capability({PATH: with_standby}) == STANDBYS
    assert needed_capability({PATH: without}) == 1
    assert b"standby" not in without


@pytest.mark.parametrize("others", [(), (SiteFacts(HALL, COUNCIL, standby_for=OTHER), SiteFacts(OTHER, COUNCIL))])
def test_a_catalogue_cannot_name_a_standby_of_no_site(others: tuple[SiteFacts, ...]) -> None:
    check_content(PATH, codec.encode((FACTS, STANDBY)), CAPABILITY)

    with pytest.raises(Malformed, match="stands by for 'hall', which is no site"):
        check_content(PATH, codec.encode((STANDBY, *others)), CAPABILITY)


def test_it_is_written_in_the_sites_file() -> None:
    text = "sites:\n  - site: hall\n    organisation: council\n  - site: hall-b\n    organisation: council\n"

    assert [site.standby_for for site in read_sites(text + "    standby-for: hall\n", "f")] == [msgspec.UNSET, HALL]
    with pytest.raises(PolicyError, match="standby-for"):
        read_sites(text + "    standby-for: No Such Name\n", "f")
