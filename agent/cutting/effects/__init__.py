"""Effects on the frames of a clip: the moving crop, highlights and titles."""
