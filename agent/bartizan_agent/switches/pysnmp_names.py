"""What `client` uses of pysnmp, which publishes no types: imported when the first switch is spoken to."""

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC192_SHA256,
    USM_AUTH_HMAC256_SHA384,
    USM_AUTH_HMAC384_SHA512,
    USM_PRIV_CFB128_AES,
    USM_PRIV_CFB256_AES,
    CommunityData,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    OctetString,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    Unsigned32,
    UsmUserData,
    bulk_cmd,
    get_cmd,
    set_cmd,
)
from pysnmp.proto.rfc1905 import endOfMibView, noSuchInstance, noSuchObject

ABSENT = frozenset({endOfMibView.tagSet, noSuchInstance.tagSet, noSuchObject.tagSet})

__all__ = [
    "ABSENT",
    "USM_AUTH_HMAC192_SHA256",
    "USM_AUTH_HMAC256_SHA384",
    "USM_AUTH_HMAC384_SHA512",
    "USM_PRIV_CFB128_AES",
    "USM_PRIV_CFB256_AES",
    "CommunityData",
    "ContextData",
    "Integer32",
    "ObjectIdentity",
    "ObjectType",
    "OctetString",
    "PySnmpError",
    "SnmpEngine",
    "Udp6TransportTarget",
    "UdpTransportTarget",
    "Unsigned32",
    "UsmUserData",
    "bulk_cmd",
    "get_cmd",
    "set_cmd",
]
