"""What runs inside containers, and what commands may call: clients, audio, one voice turn. No CLI in it."""
