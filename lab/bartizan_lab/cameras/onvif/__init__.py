"""A camera that speaks ONVIF, and ONVIF as a part of other makers' cameras."""
