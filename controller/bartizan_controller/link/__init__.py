"""The controller's side of the MQTT link: what arrives is committed before it is acknowledged."""
