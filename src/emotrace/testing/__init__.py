"""Fakes that users may use too. Everything here is synthetic and says so."""
