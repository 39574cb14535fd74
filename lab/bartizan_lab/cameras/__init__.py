"""Emulated cameras that behave as their makers document.

camera = make("hikvision", firmware="V5.5.0", build="2018-03-26", faults={Fault.SLOW})
async with camera.serve(HostNetwork("127.0.0.2")):
...
camera.state.faults.add(Fault.NEVER_COMES_BACK)
"""

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.registry import KINDS, make
from bartizan_lab.cameras.state import CloudAddress, DeviceState, Setting, Timings

__all__ = ["KINDS", "Camera", "CloudAddress", "DeviceState", "Fault", "Setting", "StreamProfile", "Timings", "make"]
