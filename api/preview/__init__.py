"""Previews of recordings, which agents make: the API passes calls on to them."""
