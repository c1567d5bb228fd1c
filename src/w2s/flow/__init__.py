"""Fingerprinted steps with their records written last: reuse, resume, and a plan that gives reasons."""
