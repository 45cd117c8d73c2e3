"""One agent's part in its cluster: reads the store, polls the leader, carries out decisions."""
