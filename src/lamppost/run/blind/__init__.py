"""A hunt with its windows closed: what may be looked at, what is frozen, who looked when, and how they are opened."""
