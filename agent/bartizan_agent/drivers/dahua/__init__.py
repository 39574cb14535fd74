"""Dahua cameras and recorders, and those built by Dahua under other badges: the CGI interface."""
