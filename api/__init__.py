"""The HTTP service: takes clip requests, hands them to the agents and says what became of them."""
