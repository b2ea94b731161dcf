"""Freshness policies: what users declare (`model`), and what it means at an instant (`evaluate`)."""
