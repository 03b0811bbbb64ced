"""Targets that turn bytes into calls of the API, and what must hold after each: see reliability/fuzz_api.py."""
