"""What is done to a picture: objectives, priors, ascent, attacks, occlusion, attribution."""
