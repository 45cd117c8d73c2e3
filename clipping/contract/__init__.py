"""The contract between the parts of the service: messages, reports, results, objects in the store."""
