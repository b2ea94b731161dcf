"""Config: what it may be (schemas and classes), and turning what was given into what functions get."""
