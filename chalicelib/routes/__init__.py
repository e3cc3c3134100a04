"""Thin blueprints: parse, guard, decide, store, render. Routes never import each other."""
