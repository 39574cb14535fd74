"""One module per step; each part of the controller adds its own."""
