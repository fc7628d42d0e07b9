"""Networks: views of a frame, trunks, heads, the encoder that joins them, and its export."""
