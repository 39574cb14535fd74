"""Updates: one camera's update as a pure machine, its journal, and the engine that carries it out."""
