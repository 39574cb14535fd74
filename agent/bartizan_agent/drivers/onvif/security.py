"""WS-Security UsernameToken with a password digest (OASIS WSS UsernameToken Profile 1.0). Pure."""

import base64
import hashlib
from datetime import UTC, datetime

from bartizan.trust.credentials import Credential
from bartizan_agent.drivers import markup

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_MESSAGE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"


def header(credential: Credential, nonce: bytes, camera_time: float) -> str:
    """Return the SOAP header that logs in.

    Args:
        credential: Who logs in.
        nonce: Fresh random octets.
        camera_time: What the camera thinks the time is, Unix seconds: it refuses a token far from that.
    """
    created = datetime.fromtimestamp(camera_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = base64.b64encode(
        hashlib.sha1(nonce + created.encode() + credential.password.encode(), usedforsecurity=False).digest()
    ).decode()
    return (
        f'<wsse:Security xmlns:wsse="{_WSSE}" xmlns:wsu="{_WSU}" s:mustUnderstand="true"><wsse:UsernameToken>'
        f"<wsse:Username>{markup.escape(credential.username)}</wsse:Username>"
        f'<wsse:Password Type="{_PROFILE}">{digest}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{_MESSAGE}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>"
    )
