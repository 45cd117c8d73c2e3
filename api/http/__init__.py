"""What every route shares: bodies, headers, errors, the audit trail."""
