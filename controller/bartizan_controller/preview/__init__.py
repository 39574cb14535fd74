"""What another catalogue would change on the estate as its gateways reported it.

estate    reads the estate site by site, as `bartizan.policy.preview` judges it: the reference
columns   the same as columns of numbers, kept between previews and brought up to date from the database
alike     which devices no condition tells apart; the evaluator judges one of each
outlook   sums that up into the same preview
"""
