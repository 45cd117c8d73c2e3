"""The lease in the store, and the guard that stops work when it may have expired."""
