"""How far the shipped heads can be trusted on people of your own: labelled files in, one table out."""
