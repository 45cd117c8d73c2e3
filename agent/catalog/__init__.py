"""The catalogue: scans the roots by polling, and keeps in the store what they contain, in pages."""
