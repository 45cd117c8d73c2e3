"""The preview service: what callers with a token see of recordings and of clips before they are cut, on the
port of the health page.

Read-only, the same on leaders and standbys, with threads, slots and a disk cache of its own. The media work
is done by `agent.cutting.preview`, and plans are made by the engine.
"""
