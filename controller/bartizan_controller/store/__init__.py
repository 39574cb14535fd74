"""The controller's database: the only place where rows become values and values become rows."""
