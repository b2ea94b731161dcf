"""Running jobs of ops: one op after the other, values passed on in memory."""
