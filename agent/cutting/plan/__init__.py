"""Plans a cut before anything is written."""
