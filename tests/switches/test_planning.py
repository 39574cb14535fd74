"""Which ports are held, in the situations that somebody would like to use to get out."""

from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, Mac
from bartizan_agent.switches.journal import Hold, Member, Setting
from bartizan_agent.switches.planning import Plan, Site, Wanted, plan
from bartizan_agent.switches.reading import Port, View, Vlan
from bartizan_agent.switches.settings import SwitchSettings
from tests.switches.conftest import settings

A, B = Mac("02:00:00:00:00:0a"), Mac("02:00:00:00:00:0b")
CAMERA, OTHER = Wanted(DeviceId("a"), Level.ISOLATE, (A,)), Wanted(DeviceId("b"), Level.ISOLATE, (B,))
FACTORY = Setting(admin_up=True, pvid=1, members=(Member(1),))
HELD = Hold("sw1", "p1", 1, CAMERA.device, FACTORY, vlan=666, settled=True)
SW1, SW2 = settings(untouched=()), settings(name="sw2", untouched=())


def view(*, without_link: tuple[int, ...] = (), **seen: int) -> View:
    """Three ports; `a=1` is the address A seen on port 1."""
    ports = {
        number: Port(
            number=number,
            interface=100 + number,
            name=f"p{number}",
            admin_up=True,
            oper_up=number not in without_link,
            pvid=1,
        )
        for number in (1, 2, 3)
    }
    every = frozenset(ports)
    return View(
        ports, {1: Vlan(every, every)}, {{"a": A, "b": B}[who]: frozenset({port}) for who, port in seen.items()}
    )


def decided(
    *wanted: Wanted, views: dict[str, View], holds: tuple[Hold, ...] = (), switches: tuple[SwitchSettings, ...] = (SW1,)
) -> Plan:
    """What is to be held, with nobody protected."""
    return plan(wanted, Site({each.name: each for each in switches}, views, {}), holds)


def ports(decision: Plan) -> dict[str, tuple[str, int]]:
    """For whom each port is held, and in which VLAN; those that end left out."""
    return {hold.port: (hold.device, hold.vlan) for hold in decision.holds if not hold.ending}


def test_somebody_who_borrows_a_held_address_frees_nobody() -> None:
    """The other end sends as A on port 2; the real A is plugged in still, and silent."""
    decision = decided(CAMERA, views={"sw1": view(a=2)}, holds=(HELD,))

    assert ports(decision) == {"p1": ("a", 666), "p2": ("a", 667)}


def test_a_device_whose_old_port_has_no_link_any_more_has_moved() -> None:
    decision = decided(CAMERA, views={"sw1": view(a=2, without_link=(1,))}, holds=(HELD,))

    assert ports(decision) == {"p2": ("a", 667)}
    assert [hold.port for hold in decision.holds if hold.ending] == ["p1"]


def test_a_device_that_is_only_unplugged_keeps_its_port_held() -> None:
    assert ports(decided(CAMERA, views={"sw1": view(without_link=(1,))}, holds=(HELD,))) == {"p1": ("a", 666)}


def test_a_held_port_passes_from_who_moved_to_who_is_plugged_in_without_opening() -> None:
    decision = decided(CAMERA, OTHER, views={"sw1": view(a=2, b=1)}, holds=(HELD,))

    assert ports(decision) == {"p1": ("b", 666), "p2": ("a", 667)}
    assert [hold.before for hold in decision.holds] == [FACTORY, FACTORY]


def test_who_is_plugged_into_a_port_that_is_held_for_another_is_told_so() -> None:
    decision = decided(CAMERA, OTHER, views={"sw1": view(b=1)}, holds=(HELD,))

    assert ports(decision) == {"p1": ("a", 666)}
    assert decision.refusals == {"b": "switch sw1 port p1: it is held for a"}


def test_a_port_is_not_touched_before_its_switch_has_told_its_name() -> None:
    seen = view(a=1)
    unnamed = replace(seen.ports[1], name="101", awaits_name=True)

    decision = decided(CAMERA, views={"sw1": replace(seen, ports=seen.ports | {1: unnamed})})

    assert ports(decision) == {}
    assert decision.refusals == {"a": "switch sw1 port 101: the switch has not told its name yet; it is asked again"}


def test_a_held_port_stays_held_while_its_switch_does_not_tell_its_name() -> None:
    seen = view(a=1)
    unnamed = replace(seen.ports[1], name="101", awaits_name=True)

    decision = decided(CAMERA, views={"sw1": replace(seen, ports=seen.ports | {1: unnamed})}, holds=(HELD,))

    assert decision.holds == (HELD,)


def test_a_port_that_was_held_by_its_number_is_the_one_that_has_a_name_now() -> None:
    """All holds were begun while the switch told no names, as it does when it has just started."""
    decision = decided(CAMERA, views={"sw1": view(a=1)}, holds=(replace(HELD, port="101"),))

    assert decision.holds == (HELD,)


def test_a_switch_that_is_silent_keeps_what_it_holds() -> None:
    decision = decided(CAMERA, views={"sw2": view(a=2)}, holds=(HELD,), switches=(SW1, SW2))

    assert ports(decision)["p1"] == ("a", 666)


def test_a_switch_that_nobody_configures_any_more_keeps_what_it_holds() -> None:
    assert ports(decided(CAMERA, views={}, holds=(HELD,), switches=())) == {"p1": ("a", 666)}


def test_two_devices_on_two_switches_have_two_vlans() -> None:
    """A trunk between the switches would make one of it."""
    decision = decided(CAMERA, OTHER, views={"sw1": view(a=1), "sw2": view(b=1)}, switches=(SW1, SW2))

    assert sorted((hold.switch, hold.vlan) for hold in decision.holds) == [("sw1", 666), ("sw2", 667)]


def test_a_vlan_in_which_somebody_else_is_is_no_isolation() -> None:
    taken = view(a=1)
    taken = replace(taken, vlans=taken.vlans | {666: Vlan(frozenset({3}), frozenset({3}))})

    assert ports(decided(CAMERA, views={"sw1": taken})) == {"p1": ("a", 667)}


def test_a_device_that_is_wanted_no_longer_gets_its_port_back() -> None:
    watched = CAMERA._replace(level=Level.WATCH)

    assert [hold.ending for hold in decided(watched, views={"sw1": view(a=1)}, holds=(HELD,)).holds] == [True]


def test_a_device_that_no_switch_has_seen_is_told_so() -> None:
    assert decided(CAMERA, views={"sw1": view()}).refusals == {"a": "no managed switch has seen its MAC"}


def test_nothing_that_a_held_device_sends_frees_it() -> None:
    """It names itself a switch by LLDP, and sends as another device, as nobody, and as the gateway."""
    nobody, gateway = Mac("02:00:00:00:00:99"), Mac("02:00:00:00:00:01")
    seen = replace(
        view(a=1, b=1),
        learned={mac: frozenset({1}) for mac in (A, B, nobody, gateway)},
        neighbours={1: frozenset({nobody})},
    )
    site = Site({"sw1": SW1}, {"sw1": seen}, {gateway: "this gateway"})

    decision = plan((CAMERA,), site, (HELD,))

    assert (ports(decision), decision.refusals) == ({"p1": ("a", 666)}, {})
    assert plan((CAMERA,), site, ()).holds == ()
