"""A fleet of simulated gateways on one machine: thousands of them, in a few processes.

What is real: keys and certificates of the controller's authority, mutual TLS, MQTT 5 sessions with wills, every
message, the agent's own decisions on what to say and when, and the check of every order book by every gateway. What is
left out: kernels, cameras, disks. What is shared: a catalogue is verified once in each process, by the agent's own
client, because a thousand gateways would otherwise take a thousand turns on the processors of one machine.
"""
