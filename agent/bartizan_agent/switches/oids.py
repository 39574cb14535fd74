"""The objects that are read and set: of RFC 4188 (BRIDGE-MIB), 4363 (Q-BRIDGE-MIB), 2863 (IF-MIB), and IEEE 802.1AB."""

Oid = tuple[int, ...]

SYSTEM_DESCRIPTION: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)

IF_TYPE: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 3)
IF_ADMIN_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 7)
IF_OPER_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)

BASE_PORT_IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2)
BRIDGE_FDB_PORT: Oid = (1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 2)
BRIDGE_FDB_STATUS: Oid = (1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 3)
Q_FDB_PORT: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 2)
Q_FDB_STATUS: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 3)
VLAN_EGRESS: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 4, 3, 1, 2)
VLAN_UNTAGGED: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 4, 3, 1, 4)
VLAN_ROW_STATUS: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 4, 3, 1, 5)
PVID: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 4, 5, 1, 1)

LLDP_LOCAL_PORT: Oid = (1, 0, 8802, 1, 1, 2, 1, 3, 7, 1, 3)
LLDP_CHASSIS_KIND: Oid = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 4)
LLDP_CHASSIS: Oid = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 5)

UP, DOWN = 1, 2
CREATE_AND_GO, DESTROY = 4, 6
FDB_INVALID, FDB_SELF = 2, 4
CHASSIS_IS_MAC = 4
LINK_AGGREGATE = 161
"""ifType ieee8023adLag: several cables as one, so a way to another switch or a server."""
