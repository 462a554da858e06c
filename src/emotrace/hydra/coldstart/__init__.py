"""Cold start: from sheets with gold to cited trajectories that a student can imitate, through any teacher."""
