"""From bytes to pictures that can be judged: decoding, colour spaces, region of interest, quality."""
