"""What whoever is sent to a camera should look for, by what happened to it."""

_ADVICE = {
    "did-not-return": "It may hang in its boot loader, or be on its factory address. Bring a recovery image and power.",
    "another-camera": "Another unit answers at this address. Look which one hangs there.",
    "factory-reset": "It lost its settings and has no password. Set it up again; its configuration was backed up.",
    "login-lost": "It answers, but no longer accepts its login. It may have lost its settings.",
    "unexpected-version": "It runs a version that nobody approved. Find out where its firmware came from.",
    "not-restarted": "It names its new version without having restarted. Switch its power off and on.",
    "clock-wrong": "Its clock is wrong, so its recordings are worth less as evidence. Check its time server.",
}
_OTHERWISE = "It answers and is not as before. Look at its picture and settings; its configuration was backed up."


def advice(code: str) -> str:
    """Return what to look for after an update that ended with `code`."""
    return _ADVICE.get(code, _OTHERWISE)
