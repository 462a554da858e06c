"""Fakes that users may use too, each synthetic and says so; and `type_checks`, under which our own tests run."""
