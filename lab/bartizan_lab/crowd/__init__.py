"""A segment of 250 devices as one finds it: many makers, bad manners, doubles, strangers; and the truth about each."""
