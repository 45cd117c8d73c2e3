// Where the page comes from: `API` is the API's origin and `AGENT` the agent's id if an agent serves the page, which
// then sends a file of its own in place of this one. Both are empty if the API serves it.
export const API = "", AGENT = "";
