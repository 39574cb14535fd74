"""What other lists say should be there, and how that compares with what was found."""
