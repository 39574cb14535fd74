"""Policy: signed documents that say how far devices may reach and how they must be kept."""
