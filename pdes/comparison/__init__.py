"""A microscopic system and its limit beside one another: samples, limit, differences, and what chance leaves open."""
