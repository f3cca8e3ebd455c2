"""Paired studies of gradient centralization: plans, runs, their storage, and what the tables say."""
