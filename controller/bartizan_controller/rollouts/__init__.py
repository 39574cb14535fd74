"""Rollouts: vetted firmware in waves that stop themselves. Intent, progress, plan and execution are four types."""
