"""Tests of agent.cutting.posters."""
