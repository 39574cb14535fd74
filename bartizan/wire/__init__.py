"""Everything that crosses the wire between agent and controller, once."""
