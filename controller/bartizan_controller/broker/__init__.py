"""The broker that the controller brings along: a configured and supervised mosquitto."""
