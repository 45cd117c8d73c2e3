"""What the parts of the service say to each other: messages, reports, objects in the store."""
