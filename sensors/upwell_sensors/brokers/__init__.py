"""Message brokers as event sources, by FastStream; only the entry points import what is in here."""
