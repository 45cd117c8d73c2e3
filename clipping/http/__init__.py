"""An HTTP server with bounded connections and deadlines, for the API and the agent's health page."""
