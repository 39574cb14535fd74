"""Hanwha Vision (Wisenet, formerly Samsung Techwin) cameras and recorders: SUNAPI."""
