"""The names of events: what an operator, a SIEM and an auditor will search for.

One constant per kind, and what its detail fields mean.
"""

DEVICE_FOUND = "device.found"  # maker, model, interface, confidence
DEVICE_CHANGED = "device.changed"  # field, before, after
DEVICE_LOST = "device.lost"  # last_seen
CATALOGUE_ACCEPTED = "catalogue.accepted"  # versions
CATALOGUE_REFUSED = "catalogue.refused"  # code, reason
CATALOGUE_EXPIRED = "catalogue.expired"  # since
ORDERS_ACCEPTED = "orders.accepted"  # scope, generation
ORDERS_REFUSED = "orders.refused"  # scope, generation, code, reason
MESSAGE_REFUSED = "message.refused"  # topic, code, reason
CONTAINMENT_APPLIED = "containment.applied"  # ruleset, devices, milliseconds
CONTAINMENT_FAILED = "containment.failed"  # reason
CONTAINMENT_DRIFT = "containment.drift"  # found, repaired
CONTAINMENT_RELEASED = "containment.released"  # by, reason
LEVEL_CHANGED = "level.changed"  # before, after, because
UPDATE_STEP = "update.step"  # rollout, image, state, note
UPDATE_SUCCEEDED = "update.succeeded"  # rollout, image, before, after
UPDATE_FAILED = "update.failed"  # rollout, image, state, code, reason
UPDATE_REFUSED = "update.refused"  # rollout, image, code, reason
CAMERA_REFUSED_LOGIN = "camera.refused-login"  # driver, attempts
CAMERA_RUBBISH = "camera.rubbish"  # source, reason
AGENT_STARTED = "agent.started"  # version, boot
AGENT_CLOCK = "agent.clock"  # offset_seconds
STORE_FULL = "store.full"  # reason, lost
STORE_DAMAGED = "store.damaged"  # file, reason
CREDENTIALS_ACCEPTED = "credentials.accepted"  # devices
CERTIFICATE_RENEWED = "certificate.renewed"  # not_after

ALL = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
