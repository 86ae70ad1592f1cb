"""How sites turn: their frequencies, what HF asks of them, and which neighbours are in resonance."""
