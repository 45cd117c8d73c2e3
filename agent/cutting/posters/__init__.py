"""A poster and a contact sheet of a finished clip: two JPEG files, made in a separate process.

They are made of few frames, mostly keyframes, since a clip's link does not wait for them for long.
"""
