"""Pushes: policy that two people signed goes to a few sites, is judged by what they read back, and goes on or stops."""
