"""Identity: from evidence to who made a device, what it is and what it runs."""
