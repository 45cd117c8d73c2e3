"""Work in killable child processes, forked from a small server that has everything loaded.

The daemon can't fork by itself: it holds gRPC's threads. So a server without threads is started once, by
exec, and forks a child for each job in a few milliseconds. A crash or a hang in libav takes one job along and
nothing else; when the daemon dies, however suddenly, every child and its ffmpeg die with it.
"""
