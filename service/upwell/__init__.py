"""Upwell: event-driven data assets that are fresh, and known to be."""
