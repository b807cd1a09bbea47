"""From sound to the frames that models listen to."""
