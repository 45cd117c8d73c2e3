"""Cutting MP4, MOV and Matroska files by their index alone.

Where each frame lies, and when it is shown, stands in the index; so a clip is an index of its own before the
bytes of a few long stretches of the recording. Nothing is demuxed, and a recording of ten hours costs what
one of ten minutes does. Fragmented MP4 and Matroska have their index spread over the file: see `excerpt`.
Whatever is not plain (`NotPlain`) is cut by libavformat, as every other container.
"""
