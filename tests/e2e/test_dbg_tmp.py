import asyncio
import time

import pytest

from tests.e2e.deployment import *
from tests.e2e.estates import *

S = site("school", 1, camera("hall", "dahua", 0), camera("gate", "hikvision", 1))


@pytest.mark.netns
async def test_x(tmp_path):
    async with standing(tmp_path, (S,), Timings(phone_home_seconds=1.0)) as d:
        await d.enrol(S.id)
        await asyncio.sleep(3)
        gw = d.live.network.sites[0].gateway
        for n in range(8):
            c = camera(f"n{n}", "dahua", 60 + n)
            t0 = time.time()
            await d.live.plug_in(S.id, c)
            t1 = time.time()

            async def found():
                return (await d.device(c)) is not None

            try:
                await d.until("x", found, 30)
            except AssertionError:
                print("NOT FOUND")
            dev = await d.device(c)
            print(
                n,
                "up",
                round(t1 - t0, 2),
                "known",
                round(time.time() - t0, 2),
                dev and round(dev["device"]["first_seen"] - t0, 2),
                gw.run("ip", "neigh", "show", str(S.camera(60 + n))).strip(),
                dev and dev["device"]["identity"]["maker"],
            )
            await asyncio.sleep(2)
