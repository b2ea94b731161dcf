"""Webhook signatures: who sent this delivery, proved over its raw bytes. One module for each family of schemes."""
