"""Logging in: digest as curl and httpx do it, and the lock-out of a source that guesses."""

import asyncio
import hashlib

import httpx
import pytest

from bartizan_lab.cameras import Fault
from bartizan_lab.cameras.access import Access, Allowed, Attempt, Denied, LockOut
from bartizan_lab.cameras.registry import PASSWORD
from tests.lab.cameras.standing import HandClock, standing

INFO = "/ISAPI/System/deviceInfo"


def access(clock: HandClock, *, limit: int = 3, basic: bool = False) -> Access:
    return Access({"admin": "right"}, LockOut(limit, 60.0), now=clock, secret=b"boot", basic=basic)


def answered(denied: Allowed | Denied, password: str, method: str = "GET", source: str = "192.0.2.1") -> Attempt:
    """Answer a challenge the RFC 2069 way, which is short to write down."""
    assert isinstance(denied, Denied)
    nonce = denied.challenge.partition('nonce="')[2].partition('"')[0]
    one = hashlib.md5(f"admin:realm:{password}".encode(), usedforsecurity=False).hexdigest()
    two = hashlib.md5(f"{method}:/x".encode(), usedforsecurity=False).hexdigest()
    response = hashlib.md5(f"{one}:{nonce}:{two}".encode(), usedforsecurity=False).hexdigest()
    login = f'Digest username="admin", realm="realm", nonce="{nonce}", uri="/x", response="{response}"'
    return Attempt(method, login, source)


def test_asking_for_the_challenge_costs_nothing() -> None:
    """Digest clients begin every conversation without credentials."""
    judge = access(HandClock())
    for _ in range(10):
        denied = judge.judge(Attempt("GET", None, "192.0.2.1"), "realm")

    assert isinstance(denied, Denied)
    assert denied.attempts_left == 3
    assert 'qop="auth"' in denied.challenge
    assert 'stale="FALSE"' in denied.challenge


def test_the_third_bad_login_locks_the_source_out_and_time_lets_it_in_again() -> None:
    """Even the right password is refused meanwhile; another source is not concerned."""
    clock = HandClock()
    judge = access(clock)
    challenge = judge.judge(Attempt("GET", None, "192.0.2.1"), "realm")
    left = [judge.judge(answered(challenge, "wrong"), "realm") for _ in range(3)]

    assert [(denied.attempts_left, denied.locked) for denied in left if isinstance(denied, Denied)] == [
        (2, False),
        (1, False),
        (3, True),
    ]
    locked = judge.judge(answered(challenge, "right"), "realm")
    assert isinstance(locked, Denied)
    assert locked.unlock_seconds == 60.0
    assert judge.judge(answered(challenge, "right", source="192.0.2.2"), "realm") == Allowed("admin")
    clock.now += 61
    assert judge.judge(answered(challenge, "right"), "realm") == Allowed("admin")


def test_a_right_login_clears_the_count() -> None:
    judge = access(HandClock())
    challenge = judge.judge(Attempt("GET", None, "192.0.2.1"), "realm")
    judge.judge(answered(challenge, "wrong"), "realm")
    assert judge.failures("192.0.2.1") == 1

    judge.judge(answered(challenge, "right"), "realm")

    assert judge.failures("192.0.2.1") == 0


def test_a_login_is_a_challenge_answered_however_many_requests_it_carries() -> None:
    judge = access(HandClock())
    challenges = [judge.judge(Attempt("GET", None, "192.0.2.1"), "realm") for _ in range(3)]
    assert judge.logins == 0

    for password in ("right", "right", "wrong"):
        judge.judge(answered(challenges[0], password), "realm")
    assert judge.logins == 1

    judge.judge(answered(challenges[1], "right"), "realm")
    judge.judge_secret("admin", "192.0.2.1", "realm", right=True)
    assert judge.logins == 3


def test_a_nonce_of_before_the_reboot_is_stale_and_costs_nothing() -> None:
    """Otherwise a client that kept its session over a reboot would lock itself out."""
    judge = access(HandClock())
    challenge = judge.judge(Attempt("GET", None, "192.0.2.1"), "realm")
    judge.forget(b"next boot")

    again = judge.judge(answered(challenge, "right"), "realm")

    assert isinstance(again, Denied)
    assert 'stale="TRUE"' in again.challenge
    assert judge.failures("192.0.2.1") == 0
    assert judge.judge(answered(again, "right"), "realm") == Allowed("admin")


def test_another_method_makes_the_response_wrong() -> None:
    judge = access(HandClock())
    challenge = judge.judge(Attempt("GET", None, "192.0.2.1"), "realm")
    login = answered(challenge, "right", method="GET")

    assert isinstance(judge.judge(Attempt("PUT", login.authorization, "192.0.2.1"), "realm"), Denied)


@pytest.mark.parametrize("rest", ["", "username", 'nonce="zz"', 'username="admin"', "%%%", 'response=""' * 500])
def test_a_malformed_login_is_a_bad_login(rest: str) -> None:
    judge = access(HandClock())

    assert isinstance(judge.judge(Attempt("GET", f"Digest {rest}", "192.0.2.1"), "realm"), Denied)


def test_basic_is_taken_only_where_it_is_on() -> None:
    """`YWRtaW46cmlnaHQ=` is admin:right."""
    attempt = Attempt("GET", "Basic YWRtaW46cmlnaHQ=", "192.0.2.1")

    assert access(HandClock(), basic=True).judge(attempt, "realm") == Allowed("admin")
    judge = access(HandClock())
    assert isinstance(judge.judge(attempt, "realm"), Denied)
    assert judge.failures("192.0.2.1") == 0


async def test_httpx_logs_in_and_its_second_request_needs_no_new_challenge() -> None:
    async with standing("hikvision") as device, device.client() as client:
        answers = [await client.get(INFO) for _ in range(3)]

    assert [(answer.status_code, len(answer.history)) for answer in answers] == [(200, 1), (200, 0), (200, 0)]


async def test_curl_logs_in_and_uploads_with_expect_100_continue() -> None:
    """Curl asks for leave before it sends a large body; the 401 comes first, and the body goes out once."""
    async with standing("hikvision") as device:
        arguments = ["-sS", "--digest", "-u", f"admin:{PASSWORD}", "-H", "Expect: 100-continue", "-X", "POST"]
        address = f"{device.url}/ISAPI/System/updateFirmware"
        process = await asyncio.create_subprocess_exec(
            "curl", *arguments, "--data-binary", "@-", "-w", "%{http_code} %{size_upload}", address,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate(b"\0" * 3_000_000)

    assert b"badXmlContent" in out
    assert out.split(b"</ResponseStatus>")[1].split() == [b"403", b"3000000"]


async def test_five_bad_logins_lock_hikvision_and_userCheck_says_for_how_long() -> None:  # noqa: N802 - the resource's name
    async with standing("hikvision") as device, device.client("wrong") as client:
        for _ in range(5):
            answer = await client.get("/ISAPI/Security/userCheck")
        async with device.client() as knows:
            refused = await knows.get("/ISAPI/Security/userCheck")

    assert answer.status_code == refused.status_code == 401
    assert "<lockStatus>lock</lockStatus>\n<unlockTime>1" in refused.text


async def test_bad_logins_over_rtsp_count_with_those_over_http() -> None:
    """The RTSP server judges with the same `authorise`; here its failures come first."""
    async with standing("hikvision") as device:
        for _ in range(4):
            device.camera.record_bad_login("127.0.0.1")
        async with device.client("wrong") as client:
            await client.get(INFO)
        async with device.client() as client:
            assert (await client.get(INFO)).status_code == 401


async def test_a_locked_dahua_answers_403() -> None:
    async with standing("dahua", faults={Fault.LOCKOUT_NOW}) as device, device.client() as client:
        assert (await client.get("/cgi-bin/magicBox.cgi?action=getSerialNo")).status_code == 403


async def test_an_axis_never_locks_out() -> None:
    async with standing("axis") as device, device.client("wrong") as client:
        for _ in range(8):
            assert (await client.get("/axis-cgi/usergroup.cgi")).status_code == 401
        async with device.client() as knows:
            assert (await knows.get("/axis-cgi/usergroup.cgi")).status_code == 200


async def test_firmware_before_5_5_takes_basic() -> None:
    login = httpx.BasicAuth("admin", PASSWORD)
    async with standing("hikvision", firmware="V5.4.1") as old, old.stranger() as client:
        assert (await client.get(INFO, auth=login)).status_code == 200
    async with standing("hikvision", firmware="V5.5.0") as new, new.stranger() as client:
        assert (await client.get(INFO, auth=login)).status_code == 401
