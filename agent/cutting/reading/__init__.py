"""A recording, opened once: probed, sought, walked and decoded."""
